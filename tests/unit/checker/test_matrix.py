# SPDX-License-Identifier: MIT
"""The matrix of docs/semantics.md 1.3, computed by the explorer that lppack simulate uses."""

import dataclasses
from pathlib import Path

import pytest

from lppack.checker import matrix, semantics
from lppack.checker.machine import Globals, Machine, Moved, Others, Thread, p_frames
from lppack.checker.observe import MATRIX
from lppack.checker.semantics import Rules
from lppack.consistency import Switch
from tests.unit.checker.mutations import mutated

PAGE = Path(__file__).parent.parent.parent.parent / "docs/semantics.md"


def written() -> dict[str, tuple[bool, ...]]:
    lines = PAGE.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| combination |"))
    titles = [cell.strip() for cell in lines[start].strip("|").split("|")][1:11]
    assert titles == [title for _, title in MATRIX]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines[start + 2 :][:11]]
    return {row[0]: tuple(cell == "YES" for cell in row[1:11]) for row in rows}


def computed(with_rules: Rules) -> dict[str, tuple[bool, ...]]:
    return {row.name: matrix.cells(matrix.observed(row, with_rules)) for row in matrix.ROWS}


def test_the_matrix_is_as_it_is_written() -> None:
    assert computed(Rules()) == written()


def forgets_the_visit(m: Machine, k: Globals, t: Thread, others: Others) -> "list[Moved]":
    """R2 that keeps what the observer saw of a visit to the kernel that has ended."""
    return [
        moved._replace(threads=tuple(x._replace(in_k=t.in_k) for x in moved.threads))
        for moved in semantics.exit_kernel(m, k, t, others)
    ]


def returns_late(m: Machine, k: Globals, t: Thread, others: Others) -> "list[Moved]":
    """R4 that keeps what the observer saw of a visit to P that has ended."""
    return [
        moved._replace(threads=tuple(x._replace(in_p=t.in_p) for x in moved.threads))
        for moved in semantics.ret(m, k, t, others)
        if not p_frames(moved.threads[0])
    ] + [moved for moved in semantics.ret(m, k, t, others) if p_frames(moved.threads[0])]


CHANGED = {
    "R1": dataclasses.replace(Rules(), r1=lambda m, k, t, others: iter(())),
    "R2": dataclasses.replace(Rules(), r2=lambda m, k, t, o: iter(forgets_the_visit(m, k, t, o))),
    "R3": mutated("new-waits"),
    "R4": dataclasses.replace(Rules(), r4=lambda m, k, t, o: iter(returns_late(m, k, t, o))),
    "R6": dataclasses.replace(Rules(), r6=lambda m, k, threads: iter(())),
    "R7 for threads": dataclasses.replace(Rules(), r7_thread=lambda m, k, t, others: iter(())),
    "R7 for the kernel": dataclasses.replace(Rules(), r7_kernel=lambda m, k, threads: iter(())),
    "R8": mutated("skip-the-check"),
    "R8, its area": mutated("out-of-p-is-enough"),
}


@pytest.mark.parametrize("rule", CHANGED)
def test_a_changed_rule_changes_the_matrix(rule: str) -> None:
    expected = written()
    rows = sorted(matrix.ROWS, key=lambda row: row.switch is not Switch.SWITCH_KERNEL)
    assert any(
        matrix.cells(matrix.observed(row, CHANGED[rule])) != expected[row.name] for row in rows
    )


def test_strict_is_not_literal() -> None:
    """D1: what literal L_F+S_K lacks of null, and that it shows what strict forbids."""
    cells = computed(Rules())
    null, skip = cells["LEAVE_F+SWITCH_F"], cells["LEAVE_F+SWITCH_K"]
    lacking = {MATRIX[i][1] for i in range(len(null)) if null[i] and not skip[i]}
    # U is one word: with its flip all is done, so nothing new can have run before.
    assert lacking == {"new calls old", "new ran before done"}
