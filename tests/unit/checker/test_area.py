# SPDX-License-Identifier: MIT
"""The area that a thread has to leave: what is counted, and what an engine sees."""

from dataclasses import replace

import pytest

from lppack.checker.area import (
    area_count,
    area_frames,
    counted,
    counts,
    in_user_space,
    wrong_count,
)
from lppack.checker.machine import NEW, OLD, Form, Frame, Globals, Kind, Method, Place, Thread
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch
from tests.unit.checker.sample import machine

INSIDE = Thread(place=Place.KERNEL, stack=(Frame(0, OLD), Frame(1), Frame(1, NEW)))
ARMED = Globals(armed=1)
TWO = ("f", "g")


def test_frames_of_the_patched_set() -> None:
    """The one in the middle is of a function outside of it."""
    m = machine(functions=TWO, outside=("x",))
    assert area_frames(m, INSIDE, 0) == 2
    assert area_frames(m, Thread(), 0) == 0


def test_who_is_in_the_ftrace_call_is_inside() -> None:
    caller = Thread(place=Place.KERNEL, inside=Form.IN_HANDLER, pending=(0, OLD))
    assert area_frames(machine(), caller, 0) == 1
    blind = replace(Rules(), checks=replace(Rules().checks, calls=False))
    assert area_frames(machine(rules=blind), caller, 0) == 0


@pytest.mark.parametrize(
    ("place", "inside"), [(Place.USER, 0), (Place.KERNEL, 1), (Place.BLOCKED, 1)]
)
def test_of_the_kernel_it_is_whether_a_thread_is_in_it(place: Place, inside: int) -> None:
    m = machine(Leave.LEAVE_KERNEL)
    assert area_frames(m, Thread(place=place), 0) == inside
    assert in_user_space(m, Thread(place=place)) is not bool(inside)


def test_kernel_threads_may_have_to_leave_less() -> None:
    kthread = Thread(kind=Kind.KTHREAD, place=Place.KERNEL)
    assert area_frames(machine(Leave.LEAVE_KERNEL), kthread, 0) == 1
    assert (
        area_frames(machine(Leave.LEAVE_KERNEL, kthreads=Leave.LEAVE_PATCHED_SET), kthread, 0) == 0
    )


def test_of_one_function_only_its_own_frames_count() -> None:
    literal = machine(Leave.LEAVE_FUNCTION, Switch.SWITCH_FUNCTION, functions=TWO)
    strict = machine(Leave.LEAVE_FUNCTION, Switch.SWITCH_FUNCTION, functions=TWO, strict=True)
    assert area_frames(literal, INSIDE, 0) == 0
    assert [area_frames(strict, INSIDE, word) for word in (0, 1)] == [1, 1]


def test_a_counter_counts_only_where_there_is_one() -> None:
    counting = machine(method=Method.COUNT)
    assert counts(counting) and not counts(machine())
    assert not counts(machine(Leave.LEAVE_FUNCTION, method=Method.COUNT))
    assert counted(counting, ARMED, Thread(), Leave.LEAVE_PATCHED_SET, 1).cnt == 1
    assert counted(counting, Globals(), Thread(), Leave.LEAVE_PATCHED_SET, 1).cnt == 0
    assert counted(counting, ARMED, Thread(), Leave.LEAVE_KERNEL, 1).cnt == 0
    assert counted(machine(), ARMED, Thread(), Leave.LEAVE_PATCHED_SET, 1).cnt == 0


def test_a_count_that_is_not_what_is_on_the_stack() -> None:
    counting = machine(method=Method.COUNT, functions=TWO)
    right, wrong = INSIDE._replace(cnt=2), INSIDE._replace(cnt=1)
    assert not wrong_count(counting, right) and wrong_count(counting, wrong)
    assert [area_count(counting, t, 0) for t in (right, wrong)] == [2, 1]
    assert not wrong_count(machine(functions=TWO), wrong), "nothing is counted there"
    assert area_count(machine(functions=TWO), wrong, 0) == 2
