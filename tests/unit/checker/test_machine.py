# SPDX-License-Identifier: MIT
"""The parameters of a model, and where it begins."""

from typing import Any

import pytest

from lppack.checker.machine import (
    NEW,
    OLD,
    Frame,
    Globals,
    Kind,
    Object,
    Phase,
    Place,
    Thread,
    done,
    p_frames,
)
from lppack.consistency import Leave, Switch
from tests.unit.checker.sample import machine

CHAIN: dict[str, Any] = {"functions": ("f", "g"), "calls": ((1,), ()), "roots": (0,), "depth": 2}


@pytest.mark.parametrize(
    ("switch", "words", "of_threads"),
    [
        (Switch.SWITCH_FUNCTION, 2, False),
        (Switch.SWITCH_THREAD, 1, True),
        (Switch.SWITCH_KERNEL, 1, False),
    ],
)
def test_who_has_the_switch_words(switch: Switch, words: int, of_threads: bool) -> None:
    m = machine(switch=switch, functions=("f", "g"))
    kernel, threads = m.first((Kind.TASK, Kind.KTHREAD))
    assert m.words == words
    assert kernel.sw == (() if of_threads else (OLD,) * words)
    assert [t.u for t in threads] == [(OLD,) * words if of_threads else ()] * 2


def test_before_apply_tasks_are_in_user_space_and_kernel_threads_are_not() -> None:
    kernel, (task, kthread) = machine(objects=2).first((Kind.TASK, Kind.KTHREAD))
    assert (kernel.phase, kernel.turns) == (Phase.IDLE, 0)
    assert kernel.data == (Object(), Object())
    assert (task.place, kthread.place) == (Place.USER, Place.KERNEL)
    assert not task.stack and not kthread.stack


def test_what_may_be_called() -> None:
    m = machine(**CHAIN)
    at_f = Thread(place=Place.KERNEL, stack=(Frame(0, OLD),))
    at_g = at_f._replace(stack=(Frame(0, OLD), Frame(1, NEW)))
    assert [*m.callees(Thread())] == [0], "the roots"
    assert [*m.callees(at_f)] == [1]
    assert [*m.callees(at_g)] == [], "as deep as it goes"
    assert [*m.callees(at_f._replace(stack=(Frame(1, OLD),)))] == [], "g calls nothing"


def test_where_nothing_is_declared_each_may_call_each() -> None:
    m = machine(functions=("f", "g"), depth=2)
    assert [*m.callees(Thread())] == [0, 1]
    assert [*m.callees(Thread(stack=(Frame(1, OLD),)))] == [0, 1]
    assert [*machine(functions=("f",)).callees(Thread(stack=(Frame(0, OLD),)))] == []


def test_a_frame_outside_of_the_patch_is_no_depth() -> None:
    m = machine(functions=("f", "g"), outside=("x",), depth=1)
    outside = Thread(stack=(Frame(2),))
    assert p_frames(outside) == 0
    assert [*m.callees(outside)] == [0, 1]


def test_what_a_thread_must_leave_is_by_its_kind() -> None:
    m = machine(Leave.LEAVE_KERNEL, kthreads=Leave.LEAVE_PATCHED_SET)
    assert m.leave_of(Kind.TASK) is Leave.LEAVE_KERNEL
    assert m.leave_of(Kind.KTHREAD) is Leave.LEAVE_PATCHED_SET
    assert machine(kthreads=Leave.LEAVE_KERNEL).leave_of(Kind.KTHREAD) is Leave.LEAVE_PATCHED_SET


def test_all_is_done_when_each_word_has_the_target() -> None:
    k = Globals(target=NEW)
    assert done(k._replace(sw=(NEW, NEW)), ()) and not done(k._replace(sw=(NEW, OLD)), ())
    assert done(k, [Thread(u=(NEW,))]) and not done(k, [Thread(u=(NEW,)), Thread(u=(OLD,))])
    assert done(k, ()), "nobody has to switch"


def test_pointers_may_be_held_outside_of_the_patch() -> None:
    m = machine(functions=("f",), outside=("x", "y"), holders=("y", "f"))
    assert m.holding == {0, 2}
