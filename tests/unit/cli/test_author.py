# SPDX-License-Identifier: MIT
"""inspect, and what plan and generate refuse."""

from pathlib import Path

import pytest

from tests.kit.bundles import KO, put, repacked
from tests.kit.cli import cli
from tests.kit.command import check_shape


def test_a_bundle_is_shown(bundle: Path) -> None:
    shown = cli("inspect", bundle, "--format", "json")
    check_shape("inspect", shown.json)
    assert (shown.rc, shown.json["ok"], shown.json["faults"]) == (0, True, [])
    names = {entry["name"] for entry in shown.json["files"]}
    assert {"plan.json", "provenance.json"} <= names
    text = cli("inspect", bundle)
    assert text.rc == 0
    assert all(name in text.out for name in names)


def test_a_module_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.ko").write_bytes(KO)
    shown = cli("inspect", tmp_path / "a.ko", "--format", "json")
    assert (shown.rc, shown.json["path"]) == (0, str(tmp_path / "a.ko"))
    assert shown.json["facts"]["name"] == "lppack_conn_limit_2"


def test_a_bundle_that_was_changed_is_refused(bundle: Path) -> None:
    other = repacked(bundle, put("plan.json", b"{}"))
    ran = cli("inspect", other, "--format", "json")
    check_shape("error", ran.json)
    assert (ran.rc, ran.json["ok"]) == (9, False)
    assert other.name in ran.json["error"]["message"]


@pytest.mark.parametrize("command", ["plan", "test"])
def test_a_patch_that_is_not_there(command: str, tmp_path: Path) -> None:
    ran = cli(command, tmp_path / "none")
    assert (ran.rc, ran.out) == (3, "")
    assert f"{tmp_path}/none:1:1: error[file]: cannot be read" in ran.err
    assert "hint: give the folder of a patch" in ran.err


def test_generate_wants_a_folder(tmp_path: Path) -> None:
    ran = cli("generate", tmp_path)
    assert ran.rc == 2
    assert "-o" in ran.err
