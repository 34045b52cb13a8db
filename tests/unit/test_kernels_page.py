# SPDX-License-Identifier: MIT
"""docs/kernels.md has the table of supported kernels, and the table is in order."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack.debian.supported import BESIDE, KERNEL_SUITES, RELEASES, SUPPORTED, releases_of
from tools import kernels_page


def test_the_page_is_current() -> None:
    assert kernels_page.differences() == []


def test_a_change_of_the_table_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    other = (replace(SUPPORTED[0], own_engine="never"), *SUPPORTED[1:])
    monkeypatch.setattr(kernels_page, "SUPPORTED", other)
    assert any(line.startswith("+") and "never" in line for line in kernels_page.differences())


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "kernels.md"
    page.write_text("no table\n")
    with pytest.raises(ValueError, match="lacks the lines around the table"):
        kernels_page.page(page)


def test_each_series_is_once_in_the_table_oldest_first() -> None:
    series = [tuple(map(int, one.series.split("."))) for one in SUPPORTED]
    assert series == sorted(set(series))
    for one in SUPPORTED:
        assert all(pattern.startswith(f"{one.series}.") for pattern in one.releases)


def test_patterns_are_given_by_series_and_flavour() -> None:
    assert releases_of() == "6.1.0-*-amd64"
    assert releases_of("6.12", "rt-amd64") == "6.12.*+deb13-rt-amd64"
    with pytest.raises(KeyError):
        releases_of("5.10")


def test_each_suite_has_a_compiler() -> None:
    assert {BESIDE.get(suite, suite) for suite in KERNEL_SUITES} - {"sid"} <= RELEASES.keys()
