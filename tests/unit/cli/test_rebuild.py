# SPDX-License-Identifier: MIT
"""rebuild: what is refused before anything is built."""

from pathlib import Path

import pytest

from tests.kit.cli import cli
from tests.kit.command import check_shape


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    ran = cli("rebuild", tmp_path / "none.lpp", "--format", "json")
    check_shape("error", ran.json)
    assert (ran.rc, ran.json["error"]["message"]) == (4, f"{tmp_path}/none.lpp does not exist")
    assert "lppack build" in ran.json["error"]["hint"]


def test_sources_that_break_a_rule_are_not_built(bundle: Path) -> None:
    ran = cli("rebuild", bundle, "--builder", "host")
    assert (ran.rc, ran.out) == (3, "")
    assert "error[named-functions-are-defined]" in ran.err


@pytest.mark.parametrize("builder", ["", "podman"])
def test_another_builder_is_wrong_usage(bundle: Path, builder: str) -> None:
    assert cli("rebuild", bundle, "--builder", builder).rc == 2
