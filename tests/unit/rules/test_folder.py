# SPDX-License-Identifier: MIT
"""The rules of a manifest and its folder, each with what it passes and what it refuses."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from lppack.errors import Level
from lppack.rules import files
from lppack.rules.folder import problems_of
from tests.kit.samples import document, full, patch_folder
from tests.unit.rules.cases import Case, functions, shadow, title
from tests.unit.rules.every_case import of_kind


@pytest.mark.parametrize("case", of_kind(Case), ids=title)
def test_rule(case: Case, folder: Path) -> None:
    faults = list(case.rule(document(full(**case.changes), folder)))
    assert [fault.pointer for fault in faults] == case.faults
    assert all(fault.message for fault in faults)


def test_a_full_manifest_has_no_problem(folder: Path) -> None:
    assert problems_of(document(full(), folder)) == ()


def test_targets_need_a_kbuild_file(tmp_path: Path) -> None:
    patch = document(full(), patch_folder(tmp_path))
    assert list(files.files_are_in_the_folder(patch)) == []
    (tmp_path / "target/Kbuild").unlink()
    (fault,) = files.files_are_in_the_folder(patch)
    assert fault.pointer == ("test", "targets")


def test_a_missing_file_is_suggested(folder: Path) -> None:
    (fault,) = files.files_are_in_the_folder(document(full(sources=["con.c"]), folder))
    assert fault.hint == 'did you mean "conn.c"?'


def test_the_warnings_are_warnings_and_the_others_errors(folder: Path) -> None:
    found = problems_of(document(full(**functions({"old": "a", "new": "a"})), folder))
    assert {(problem.rule, problem.level) for problem in found} == {
        ("replacement-is-another-function", Level.ERROR),
        ("replacement-name-shows-its-origin", Level.WARNING),
        ("named-functions-are-defined", Level.ERROR),
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1.0},
        functions({"old": "a", "new": "lp_s_show", "sympos": 2.0}),
        shadow(version=1.0),
    ],
    ids=["version", "sympos", "shadow version"],
)
def test_a_whole_number_is_not_written_with_a_point(changes: dict[str, Any], folder: Path) -> None:
    """JSON schema takes 1.0 for an integer; it would become the module lppack_x_1.0."""
    assert {problem.rule for problem in problems_of(document(full(**changes), folder))} == {"type"}


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), 0, -1, 601])
def test_a_limit_is_a_number_of_seconds(limit: float, folder: Path) -> None:
    checks = [{"run": "true", "limit": limit, "expect": {"before": "x"}}]
    found = problems_of(document(full(test={"checks": checks}), folder))
    (problem,) = found
    assert problem.rule in ("range", "type")


def test_dates_are_not_text(folder: Path) -> None:
    data = full(description=datetime.date(2026, 11, 22))
    (problem,) = problems_of(document(data, folder))
    assert (problem.rule, problem.message) == ("type", "description must be text, but is a date")
