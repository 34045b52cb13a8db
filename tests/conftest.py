# SPDX-License-Identifier: MIT
"""What all tests share: skips are failures, and what was started is counted."""

from pathlib import Path

import pytest
from hypothesis import settings

from lppack import store

# The same examples in each run, so that a red run is the change's fault; soak draws new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

_skipped: list[str] = []
_told: list[str] = []  # what tests want said of them: record_property("told", ...)
_before: list[int] = [0, 0]


def _counts() -> list[int]:
    path: Path = store.journal_path()
    lines = path.read_text().splitlines() if path.exists() else []
    kinds = [line.split(" ")[1] for line in lines if " " in line]
    return [kinds.count("guest"), kinds.count("container")]


def pytest_sessionstart() -> None:
    _before[:] = _counts()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)
    if report.when == "call":
        _told.extend(str(value) for key, value in report.user_properties if key == "told")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    guests, containers = (now - then for now, then in zip(_counts(), _before, strict=True))
    terminalreporter.write_line(f"ran {guests} guests and {containers} containers")
    for line in _told:
        terminalreporter.write_line(line)
    if _skipped:
        terminalreporter.write_line(f"skipped, which is a failure: {', '.join(_skipped)}")
