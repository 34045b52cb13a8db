# SPDX-License-Identifier: MIT
"""Rules T1 to T4, step by step."""

from dataclasses import replace
from typing import Any

import pytest

from lppack.checker.data import (
    convert_one,
    converts,
    enable,
    locks_something,
    met,
    undone,
    world,
)
from lppack.checker.explorer import explore
from lppack.checker.machine import (
    NEW,
    OLD,
    Form,
    Globals,
    Object,
    Phase,
    Thread,
)
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.consistency import Switch, Transform
from tests.unit.checker.sample import machine

ACCESS, WORLD = Transform.TRANSFORM_ON_ACCESS, Transform.TRANSFORM_WORLD
LIVE: dict[str, Any] = {"transform": ACCESS, "objects": 1}


def test_which_function_meets_which_form() -> None:
    found = {(univ, form): met(machine(), univ, form) for univ in (OLD, NEW) for form in (OLD, NEW)}
    assert found == {
        (OLD, OLD): Seen.OLD_OLD,
        (OLD, NEW): Seen.OLD_NEW,
        (NEW, OLD): Seen.NEW_OLD,
        (NEW, NEW): Seen.NEW_NEW,
    }


def test_only_new_functions_write_the_new_form_and_only_while_converting() -> None:
    m, on, off = machine(**LIVE), Globals(conv=1), Globals()
    assert converts(m, on, NEW)
    assert not converts(m, off, NEW) and not converts(m, on, OLD)
    assert converts(machine(), off, NEW), "where nothing is declared, new code does as it likes"
    assert not converts(machine(transform=WORLD), on, NEW)


def test_conversion_is_enabled_once_the_transition_is_complete() -> None:
    m, complete = machine(**LIVE), Globals(phase=Phase.COMPLETE, target=NEW)
    [turned] = enable(m, complete, ())
    assert turned.kernel.conv == 1
    for not_now in (
        complete._replace(phase=Phase.TRANSITION),
        complete._replace(target=OLD),
        complete._replace(conv=1),
    ):
        assert not [*enable(m, not_now, ())]
    assert not [*enable(machine(), complete, ())]


def test_the_stop_converts_all_that_the_roots_lead_to() -> None:
    m = machine(switch=Switch.SWITCH_KERNEL, transform=WORLD, objects=3)
    data = (Object(), Object(live=0), Object(form=NEW))
    k = Globals(target=NEW, stopped=1, data=data)
    [turned] = world(m, k, ())
    assert [o.form for o in turned.kernel.data] == [NEW, OLD, NEW]
    assert (turned.rule, turned.kernel.stopped, turned.saw) == ("T1", 0, 0)


def test_what_no_root_leads_to_stays_old_and_is_seen() -> None:
    m = machine(switch=Switch.SWITCH_KERNEL, transform=WORLD, objects=1)
    k = Globals(target=NEW, stopped=1, data=(Object(rooted=0),))
    [turned] = world(m, k, ())
    assert turned.saw == Seen.OLD_DATA_LEFT


def test_an_object_that_is_refused_leaves_all_as_it_was() -> None:
    m = machine(switch=Switch.SWITCH_KERNEL, transform=WORLD, objects=1, refuses=True)
    k = Globals(target=NEW, sw=(NEW,), stopped=1, data=(Object(),))
    _, refused = world(m, k, ())
    assert (refused.kernel.data, refused.kernel.target, refused.kernel.sw) == (k.data, OLD, (OLD,))


def test_a_converted_object_is_another_one_and_with_a_tag_only_once() -> None:
    made = convert_one(machine(), Object(), NEW)
    assert (made.form, made.gen, made.passes) == (NEW, 1, 1)
    assert convert_one(machine(), made, NEW) == made
    assert convert_one(machine(tagged=False), made, NEW).passes == 2
    for spared in (Object(live=0), Object(rooted=0)):
        assert convert_one(machine(), spared, NEW) == spared


@pytest.mark.parametrize("form", Form)
def test_the_way_back_waits_for_who_holds_a_lock(form: Form) -> None:
    holds = form in (Form.RECHECKED, Form.LOCKED_OLD, Form.LOCKED_NEW)
    t = Thread(inside=form)
    assert locks_something(t) is holds
    assert undone(machine(), Globals(data=(Object(),)), [t]) is not holds
    assert not undone(machine(), Globals(data=(Object(tracked=1),)), [])


def test_all_that_is_tracked_is_reversed_and_never_unlocked() -> None:
    found = explore(machine(**LIVE, revert=True, lifetimes=True, atomic=False), (0, 0))
    assert found.whole
    assert not found.seen & (Seen.FREED_TOUCHED | Seen.FORM_CHANGED)
    undone_ = [k for k, _ in found.parents if k.phase == Phase.UNDOING]
    assert any(o.tracked for k in undone_ for o in k.data)
    loose = replace(Rules(), data=replace(Rules().data, reverse_locks=False))
    found = explore(machine(**LIVE, rules=loose, revert=True, atomic=False), (0, 0))
    assert found.seen & Seen.FORM_CHANGED, "without the lock it is seen"
