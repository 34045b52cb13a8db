# SPDX-License-Identifier: MIT
"""What all tests share: skips are failures, and what was started is counted."""

from pathlib import Path

import pytest
from hypothesis import settings

from lppack import store

# The same examples in each run, so that a red run is the change's fault; soak draws new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

#: Tests that make no sense on another kernel than the debug kernel.
DEBUG_ONLY = Path(__file__).parent / "soak/debug"

_skipped: list[str] = []
_told: list[str] = []  # what tests want said of them: record_property("told", ...)
_before: list[int] = [0, 0]


def _counts() -> list[int]:
    path: Path = store.journal_path()
    lines = path.read_text().splitlines() if path.exists() else []
    kinds = [line.split(" ")[1] for line in lines if " " in line]
    return [kinds.count("guest"), kinds.count("container")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--debug-kernel",
        action="store_true",
        help="run what is marked debug_kernel, and tests/soak/debug, on the debug kernel",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    checked = config.getoption("--debug-kernel")

    def belongs(item: pytest.Item) -> bool:
        only = item.path.is_relative_to(DEBUG_ONLY)
        return bool(only or item.get_closest_marker("debug_kernel")) if checked else not only

    if others := [item for item in items if not belongs(item)]:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if belongs(item)]


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
