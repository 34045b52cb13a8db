# SPDX-License-Identifier: MIT
"""Many states at once, against one after the other: the same states, steps and observations."""

import pytest

from lppack import consistency
from lppack.checker import matrix, scenario
from lppack.checker.counted import count
from lppack.checker.explorer import Population, explore
from lppack.checker.machine import Kind, Machine
from lppack.checker.scenario import Patch
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Mode, Needs, Switch, Transform
from tests.unit.checker.mutations import mutated

NEEDS = Needs(
    leave=Leave.LEAVE_PATCHED_SET,
    switch=Switch.SWITCH_THREAD,
    transform=Transform.TRANSFORM_ON_ACCESS,
)
PATCH = Patch(functions=("f", "g"), needs=NEEDS)


def same(m: Machine, kinds: tuple[int, ...]) -> None:
    slowly = explore(m, kinds, Population.COUNTED)
    assert slowly.whole
    found = count(m, kinds)
    assert (found.states, found.events) == (slowly.states, slowly.events)
    assert (found.seen, found.completes) == (slowly.seen, slowly.completes)


@pytest.mark.parametrize("row", matrix.ROWS, ids=lambda row: row.name)
def test_all_that_the_matrix_observes(row: matrix.Row) -> None:
    """Threads have up to 70 local states there: more digits than a machine word holds."""
    same(matrix.machine(row, Rules()), (0, 0))


@pytest.mark.parametrize("mode", consistency.MODES, ids=lambda mode: mode.name.value)
def test_a_patch_in_every_mode(mode: Mode) -> None:
    same(scenario.switching(PATCH, mode, Rules()), (0,) * 3)
    converting = scenario.converting(PATCH, mode, Rules())
    assert converting is not None
    same(converting, (0, 0))


@pytest.mark.parametrize(
    "fault", ["count-after-lookup", "counters-from-zero", "skip-the-check", "late-convert"]
)
def test_faults_show_the_same(fault: str) -> None:
    for mode in consistency.MODES[1:4]:
        converting = scenario.converting(PATCH, mode, mutated(fault))
        assert converting is not None
        same(converting, (0, 0))


def test_threads_of_several_kinds() -> None:
    kinds = (Kind.TASK, Kind.TASK, Kind.KTHREAD)
    for mode in consistency.MODES[3:]:
        same(scenario.switching(PATCH, mode, Rules()), kinds)


def test_it_stops_where_it_is_told() -> None:
    found = count(scenario.switching(PATCH, consistency.MODES[1], Rules()), (0,) * 3, limit=100)
    assert not found.whole


def test_births_are_refused() -> None:
    births = Machine(
        rules=Rules(), leave=Leave.LEAVE_PATCHED_SET, switch=Switch.SWITCH_THREAD, births=2
    )
    with pytest.raises(ValueError, match="cannot be counted"):
        count(births, (0,))
