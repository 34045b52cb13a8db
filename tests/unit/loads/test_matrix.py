# SPDX-License-Identifier: MIT
"""A cell of the matrix that breaks off is a row, and those after it are still to be measured."""

import contextlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lppack.errors import LostHost
from lppack.hosts.guest import GuestHost
from tests.loads import matrix
from tests.loads.driver import LOADS, Patch, Row


@contextlib.contextmanager
def nothing(_host: GuestHost, patch: Patch) -> Iterator[None]:
    yield


def measured(monkeypatch: pytest.MonkeyPatch, cells: int, error: Exception) -> tuple[Any, ...]:
    """What comes of ``cells`` cells the second of which raises: the rows, and those left over."""
    calls: list[str] = []

    def measure(*given: Any, flips: int) -> Row:
        calls.append(given[3])
        if len(calls) == 2:
            raise error
        return Row(engine="e", mode=given[3], load="loop", patch="p", flips=flips)

    monkeypatch.setattr(matrix, "loaded", nothing)
    monkeypatch.setattr(matrix, "measure", measure)
    engine, mode = next(matrix.cells())
    patch = cast("Patch", type("Patch", (), {"name": "p"}))
    todo = deque([(engine, mode, patch, LOADS["loop"])] * cells)
    rows = list(matrix._measured(GuestHost("guest", Path()), todo, 4))
    return rows, len(todo)


@pytest.mark.parametrize("error", [AssertionError("no end"), LostHost("no end")])
def test_the_cells_after_one_that_breaks_off_are_left_for_another_guest(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    rows, left = measured(monkeypatch, 4, error)
    assert [row.broke for row in rows] == ["", "no end"]
    assert left == 2


def test_a_mistake_of_ours_is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        measured(monkeypatch, 4, ZeroDivisionError())
