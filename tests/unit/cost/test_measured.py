# SPDX-License-Identifier: MIT
"""The table of what a call costs: what must hold of it, and which row is for a kernel."""

import pytest

from lppack.consistency import EngineName, ModeName
from lppack.cost.measured import (
    MEASURED,
    SEVERAL,
    UNPATCHED,
    Measured,
    measured_for,
    series_of,
)


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: row.release)
def test_a_row_is_whole(row: Measured) -> None:
    names = [path for path, *_ in row.paths]
    assert names.count(UNPATCHED) == 1 and len(set(names)) == len(names)
    for path, median, least, most in row.paths:
        assert 0 < least <= median <= most, path
        if path != UNPATCHED:
            engine, mode = path.removesuffix(SEVERAL).split(" ")
            assert engine in list(EngineName) and mode in list(ModeName)
    assert all(cost > 0 for cost in row.added.values()), "to redirect a call is never free"
    assert UNPATCHED not in row.added
    assert row.version.split("-")[0].startswith(row.series)


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: row.release)
def test_one_of_several_costs_no_less_than_one_alone(row: Measured) -> None:
    for path, cost in row.added.items():
        if path.endswith(SEVERAL):
            assert cost >= row.added[path.removesuffix(SEVERAL)]


def test_a_series_has_one_row() -> None:
    assert len({row.series for row in MEASURED}) == len(MEASURED)


@pytest.mark.parametrize(
    ("release", "series"),
    [
        ("6.1.0-57-amd64", "6.1"),
        ("6.12.118+deb13-amd64", "6.12"),
        ("7.2.12+deb13-amd64", "7.2"),
        ("6.1", "6.1"),
        ("6", "6"),
        ("next-20260101", "next-20260101"),
        ("", ""),
    ],
)
def test_the_series_of_a_release(release: str, series: str) -> None:
    assert series_of(release) == series


def test_another_release_of_a_series_has_its_row_and_another_series_none() -> None:
    assert measured_for("6.1.0-1-amd64").series == "6.1"
    assert all(measured_for(row.release) is row for row in MEASURED)
    from lppack.errors import EnvironmentMissing

    for other in ("6.11.0-1-amd64", "5.10.0-1-amd64", "nonsense"):
        with pytest.raises(EnvironmentMissing, match="no call was measured") as caught:
            measured_for(other)
        assert MEASURED[0].release in str(caught.value.hint)
