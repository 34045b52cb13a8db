# SPDX-License-Identifier: MIT
"""test: how a step is printed."""

from lppack.cli.trial import step_lines
from lppack.model import StepName
from lppack.stages.test import CheckResult, StepResult


def step(*checks: CheckResult, skipped: str | None = None, converted: int = 0) -> StepResult:
    return StepResult(
        step=StepName.PATCHED,
        ok=all(check.ok for check in checks),
        skipped=skipped,
        seconds=1.25,
        converted=converted,
        checks=checks,
    )


def test_a_step_that_passed_is_one_line() -> None:
    passed = CheckResult(run="cat /x", expect="on", got="on", ok=True)
    assert step_lines(step(passed)) == ["  patched    ok  1.2 s"]
    assert step_lines(step(passed, converted=3)) == ["  patched    ok  1.2 s  3 converted"]


def test_of_a_check_that_failed_all_is_shown() -> None:
    failed = CheckResult(run="cat /x\n", expect="on\n", got="off", ok=False)
    assert step_lines(step(failed)) == [
        "  patched    FAILED  1.2 s",
        "    $ cat /x",
        "    expected: on",
        "    got:      off",
    ]


def test_a_step_that_was_left_out_says_why() -> None:
    assert step_lines(step(skipped="irreversible")) == ["  patched    skipped: irreversible"]
