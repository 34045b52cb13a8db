# SPDX-License-Identifier: MIT
"""Mode refcount as the engine counts it: one word for all threads."""

from dataclasses import replace
from typing import Any

import pytest

from lppack.checker.explorer import Found, explore
from lppack.checker.machine import NEW, OLD, Frame, Globals, Method, Phase, Place, Thread
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.checker.visits import NEVER, Word, begin, counted_on, rules_of, turn, visits, word_of
from lppack.consistency import Switch
from tests.unit.checker.sample import machine


def found(threads: int = 2, *, blind: str = "", **more: Any) -> Found:
    checks = replace(Rules().checks, **({blind: False} if blind else {}))
    rules = rules_of(replace(Rules(), checks=checks))
    m = machine(switch=Switch.SWITCH_KERNEL, rules=rules, method=Method.WORD, **more)
    made = explore(m, (0,) * threads)
    assert made.whole
    return made


def test_the_word_counts_the_frames_that_came_by_a_wrapper_and_the_dead() -> None:
    inside = Thread(stack=(Frame(0, OLD, counted=1), Frame(0, OLD)))
    assert counted_on(inside) == 1
    assert word_of(Globals()) == Word(unseen=NEVER)
    k = Globals(word=tuple(Word(lost=2)))
    assert visits(k, [inside, inside, Thread()]) == 4


def test_a_transition_begins_once_and_counts_from_there() -> None:
    m = machine(switch=Switch.SWITCH_KERNEL, revert=True)
    [turned] = begin(m, Globals(), ())
    k = turned.kernel
    assert (k.phase, k.target, k.armed, k.turns) == (Phase.TRANSITION, NEW, 1, 1)
    assert not [*begin(m, k, ())]
    [back] = turn(m, k, ())
    assert (back.kernel.target, back.kernel.turns) == (OLD, 2)
    assert not [*turn(m, back.kernel, ())], "it goes there already"
    assert not [*turn(machine(switch=Switch.SWITCH_KERNEL), k, ())], "without a way back"
    assert not [*turn(m, k._replace(word=tuple(Word(waits=1))), ())], "it waits for who ends"


@pytest.mark.parametrize("more", [{}, {"revert": True}, {"exits": True}, {"oopses": True}])
def test_the_kernel_switches_with_nobody_inside(more: dict[str, Any]) -> None:
    made = found(**more)
    assert made.completes
    assert not made.seen & (Seen.FLIPPED_INSIDE | Seen.OLD_AFTER_DONE)


def test_a_visit_whose_thread_died_is_counted_off() -> None:
    made = found(1, oopses=True)
    words = [word_of(k) for k, _ in made.parents]
    assert any(word.lost for word in words)
    ends = [k for k, ts in made.parents if k.phase == Phase.COMPLETE and word_of(k).lost == 0]
    assert ends


@pytest.mark.parametrize("check", ["unseen_cleared", "entries_compared"])
def test_without_a_check_it_switches_with_somebody_inside(check: str) -> None:
    """Each of the two is there for a visit that is on no stack that a stop finds."""
    settings: dict[str, Any] = {"exits": True, "found": False, "revert": True}
    assert not found(2, **settings).seen & Seen.FLIPPED_INSIDE
    assert found(2, blind=check, **settings).seen & Seen.FLIPPED_INSIDE


def test_a_thread_in_user_space_is_in_no_visit() -> None:
    made = found(2)
    assert all(t.stack == () for _, ts in made.parents for t in ts if t.place == Place.USER)
