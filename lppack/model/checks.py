# SPDX-License-Identifier: MIT
"""The `test` of a manifest, also as stored in a bundle."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

#: Seconds, if a check has no limit.
CHECK_LIMIT = 10.0


class StepName(StrEnum):
    """The steps of `test`, in order. Checks are compared at each step except OLDER and AGAIN.

    With an older version, OLDER and TAKEN_OVER are done instead of PATCHED and CONVERTED.
    """

    BEFORE = "before"
    PATCHED = "patched"
    CONVERTED = "converted"
    OLDER = "older"  # the earlier version is live, and has converted the data of the checks
    TAKEN_OVER = "taken-over"  # this version has replaced the earlier one, and converts
    REVERTED = "reverted"
    UNLOADED = "unloaded"
    AGAIN = "again"  # all steps again, on the data that the first round has left


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    run: str
    limit: float  # seconds
    expect: tuple[tuple[StepName, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSpec:
    targets: tuple[str, ...]
    programs: tuple[str, ...]
    boot: tuple[str, ...]
    checks: tuple[Check, ...]
    late: bool = False  # the modules are loaded after the patch


def test_spec(entry: dict[str, Any]) -> TestSpec:
    """Return the `test:` of a manifest, including one read back from a bundle."""
    return TestSpec(
        targets=tuple(entry.get("targets", ())),
        programs=tuple(entry.get("programs", ())),
        boot=tuple(entry.get("boot", ())),
        checks=tuple(
            Check(
                run=check["run"],
                limit=float(check.get("limit", CHECK_LIMIT)),
                expect=tuple(
                    (step, check["expect"][step]) for step in StepName if step in check["expect"]
                ),
            )
            for check in entry.get("checks", ())
        ),
        late=bool(entry.get("late", False)),
    )
