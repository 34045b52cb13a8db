# SPDX-License-Identifier: MIT
"""Manifests with many faults, and what one run must say of them: written by hand."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.errors import Level, ManifestError
from lppack.rules import shape
from lppack.rules.folder import problems_of
from lppack.rules.shape import shape_problems
from lppack.stages.load import load
from lppack.stages.validate import validate
from tests.kit.command import ROOT, lppack

FOLDERS = sorted((ROOT / "tests/broken").glob("[0-9][0-9]-*"))


def expected(folder: Path) -> list[str]:
    lines = (folder / "expected.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_there_are_ten() -> None:
    assert len(FOLDERS) == 10


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_one_run_tells_every_problem(folder: Path) -> None:
    found = problems_of(load(folder))
    assert [f"{p.line}:{p.column} {p.level}[{p.rule}]" for p in found] == expected(folder)
    assert all(problem.file == str(folder / "manifest.yaml") for problem in found)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_host_without_jsonschema_tells_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = load(folder)
    usual = {*shape_problems(document)}
    shape._validator.cache_clear()
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    found = {*shape_problems(document)}
    assert {replace(p, message="") if p.rule == "range" else p for p in found} == {
        replace(p, message="") if p.rule == "range" else p for p in usual
    }
    assert usual, "each of them is out of shape somewhere"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_has_faults_of_four_rules(folder: Path) -> None:
    assert len({line.partition(" ")[2] for line in expected(folder)}) >= 4


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_validate_refuses_with_the_errors_and_without_the_warnings(folder: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        validate(load(folder))
    errors = [line for line in expected(folder) if " error[" in line]
    assert len(caught.value.problems) == len(errors)
    assert {problem.level for problem in caught.value.problems} == {Level.ERROR}
    assert caught.value.exit_code == 3


def test_the_command_tells_all_of_all_as_json() -> None:
    ran = lppack("validate", "--format", "json", *FOLDERS)
    assert ran.rc == 3
    assert ran.json["ok"] is False
    said = [
        f"{p['file']}: {p['line']}:{p['column']} {p['level']}[{p['rule']}]"
        for p in ran.json["problems"]
    ]
    assert said == [f"{f / 'manifest.yaml'}: {line}" for f in FOLDERS for line in expected(f)]
    keys = {"file", "line", "column", "level", "rule", "message", "hint"}
    assert all(set(problem) == keys for problem in ran.json["problems"])


def test_the_command_says_that_the_examples_are_right() -> None:
    ran = lppack("validate", "--format", "json", ROOT / "examples/proc-cmdline")
    nothing: dict[str, object] = {"kernels": [], "inlining_unchecked": [], "problems": []}
    assert (ran.rc, ran.json) == (0, {"ok": True, **nothing})
