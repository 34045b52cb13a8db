# SPDX-License-Identifier: MIT
"""Every interleaving, however the threads are kept apart."""

from itertools import product

import pytest

from lppack.checker.explorer import Population, explore, flips, successors
from lppack.checker.machine import Hook, Machine, Phase
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch
from tests.unit.checker.mutations import mutated
from tests.unit.checker.sample import machine


@pytest.mark.parametrize("pair", list(product([*Leave][1:], [*Switch][1:])))
@pytest.mark.parametrize("population", Population)
def test_the_populations_agree(pair: tuple[Leave, Switch], population: Population) -> None:
    m = Machine(rules=Rules(), leave=pair[0], switch=pair[1], hook=Hook.TICK)
    kinds = (0,) if population is Population.PRESENT else (0, 0)
    assert explore(m, kinds, population).seen == explore(m, (0, 0)).seen


def test_a_witness_is_a_run() -> None:
    """It begins before apply, each step follows from the one before, and it is a shortest one."""
    found = explore(machine(depth=2, rules=mutated("skip-the-check")), (0, 0))
    _, steps = found.run(Seen.MIX_IN_P)
    assert [step.rule.split()[0] for step in steps].count("R6") == 1
    assert len(steps) == 5  # enter, call, apply, switch, call


def test_it_stops_where_it_is_told() -> None:
    few = explore(machine(), (0, 0), limit=10)
    assert not few.whole and few.states >= 10
    wanted = explore(machine(), (0, 0), until=Seen.BOTH_AT_ONCE)
    assert not wanted.whole and wanted.seen & Seen.BOTH_AT_ONCE
    assert wanted.states < explore(machine(), (0, 0)).states


def test_it_may_begin_anywhere() -> None:
    whole = explore(machine(), (0, 0))
    later = next(s for s in whole.parents if s[0].phase == Phase.COMPLETE)
    found = explore(machine(), first=later)
    assert found.parents[later] is None
    assert {k.phase for k, _ in found.parents} == {Phase.COMPLETE}


def test_interchangeable_threads_are_fewer_states() -> None:
    ordered = explore(machine(), (0, 0), Population.ORDERED)
    counted = explore(machine(), (0, 0), Population.COUNTED)
    assert counted.states < ordered.states
    assert (counted.seen, counted.completes) == (ordered.seen, ordered.completes)
    assert {(k, tuple(sorted(ts))) for k, ts in ordered.parents} == set(counted.parents)


def test_a_step_says_who_took_it() -> None:
    first = machine().first((0, 0))
    steps = [*successors(machine(), first, Population.ORDERED)]
    assert {step.place for step in steps} == {-1, 0, 1}
    assert all((step.who is None) == (step.place < 0) for step in steps)
    assert all(step.who == first[1][step.place] for step in steps if step.who)


@pytest.mark.parametrize(
    ("rule", "flip"),
    [("R8", True), ("R2 R8", True), ("R6", True), ("R11", True), ("R12", True), ("R1", False)],
)
def test_in_which_steps_a_unit_may_switch(rule: str, flip: bool) -> None:
    assert flips(rule) is flip
