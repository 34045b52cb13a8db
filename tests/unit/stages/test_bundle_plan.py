# SPDX-License-Identifier: MIT
"""What plan.json of a bundle must be: the part that is not is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from lppack.stages.bundle import contents
from lppack.stages.bundle_plan import wrong_part
from tests.kit.bundles import made


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """As `bundle` writes it."""
    folder: Path = tmp_path_factory.mktemp("bundle")
    value: dict[str, Any] = json.loads(contents(made(folder, folder))["plan.json"])
    return value


def test_the_plan_of_a_bundle_is_whole(plan: dict[str, Any]) -> None:
    assert wrong_part(plan) is None


def test_keys_of_a_later_version_are_no_fault(plan: dict[str, Any]) -> None:
    assert wrong_part({**plan, "colour": "red"}) is None


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_what_is_no_object(value: object) -> None:
    assert wrong_part(value) == "it is not an object"


def test_each_key_that_it_must_have_is_named(plan: dict[str, Any]) -> None:
    lacking = {key: wrong_part({k: v for k, v in plan.items() if k != key}) for key in plan}
    assert {key for key, said in lacking.items() if said == f"it lacks {key}"} >= {
        *("name", "version", "module", "release", "kernel", "converts"),
        *("replaces", "fixes", "test", "functions"),
    }
    assert {said for said in lacking.values() if said and not said.startswith("it lacks")} == set()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../x"),
        ("version", 0),
        ("version", True),
        ("version", "2"),
        ("module", "lppack_x\n"),
        ("module", "lppack_../x"),
        ("module", "nf_tables"),
        ("release", 6.1),
        ("release", "6.1\x1b[2J"),
        ("kernel", "#1\n"),
        ("fixes", [{"cve": "CVE-2026-0001\x9b"}]),
        ("converts", 1),
        ("world", "yes"),
        ("irreversible", None),
        ("replaces", ["../x"]),
        ("fixes", [{"cve": 1}]),
        ("fixes", [{"functions": [None]}]),
        ("functions", [["vmlinux"]]),
        ("functions", [["a", "b", "c"]]),
        ("functions", [["a", 1]]),
    ],
)
def test_the_key_that_is_wrong_is_named(plan: dict[str, Any], key: str, value: object) -> None:
    assert wrong_part({**plan, key: value}) == f"{key} is none"
