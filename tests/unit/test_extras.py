# SPDX-License-Identifier: MIT
"""What an installation for hosts lacks is named with the extra that brings it."""

import re
import tomllib
from pathlib import Path

import pytest

from lppack.extras import EXTRAS, INSTALL, missing

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
#: Where a package is imported under another name than it is installed under.
NAMES = {"tree_sitter": "tree-sitter", "tree_sitter_c": "tree-sitter-c"}


@pytest.mark.parametrize("package", EXTRAS)
def test_the_extra_brings_the_package_and_an_installation_for_hosts_does_not(package: str) -> None:
    name = NAMES.get(package, package)

    def brings(requirements: list[str]) -> bool:
        return name in [re.split(r"[^\w.-]", one)[0] for one in requirements]

    assert brings(PROJECT["optional-dependencies"][EXTRAS[package]])
    assert not brings(PROJECT["dependencies"])


@pytest.mark.parametrize("package", EXTRAS)
def test_what_lacks_is_named_with_the_command_that_brings_it(package: str) -> None:
    error = missing(ModuleNotFoundError(name=f"{package}.inner"))
    assert error is not None
    assert (error.exit_code, error.reason) == (4, "not-installed")
    assert package in error.message
    assert error.hint == f"pip install 'lppack[{EXTRAS[package]}]'"


@pytest.mark.parametrize("name", [None, "", "lppack.nothing", "dockers", "jso"])
def test_another_module_is_a_bug(name: str | None) -> None:
    assert missing(ModuleNotFoundError(name=name)) is None


def test_the_command_names_an_extra_that_there_is() -> None:
    assert INSTALL.partition("[")[2].partition("]")[0] in PROJECT["optional-dependencies"]
