# SPDX-License-Identifier: MIT
"""What a simulation assumes is said, and what it does not is not."""

from typing import Any

import pytest

from lppack import consistency
from lppack.analyse.assumed import assumptions
from lppack.checker.scenario import Patch
from lppack.consistency import EngineName, Leave, ModeName, Needs, Switch, Transform

NEEDS = Needs(leave=Leave.LEAVE_PATCHED_SET, switch=Switch.SWITCH_THREAD)


def told(
    *functions: str,
    mode: ModeName = ModeName.HYBRID,
    preempted: EngineName | None = None,
    leave: Leave = NEEDS.leave,
    transform: Transform = Transform.NONE,
    **more: Any,
) -> list[str]:
    needs = Needs(leave=leave, switch=NEEDS.switch, transform=transform)
    patch = Patch(functions=functions, needs=needs, **more)
    return [*assumptions(patch, consistency.mode_named(mode), preempted)]


def said(lines: list[str], words: str) -> bool:
    return any(words in line for line in lines)


@pytest.mark.parametrize(
    ("functions", "calls", "words"),
    [
        ((), None, "no function is replaced"),
        (("f",), None, "is not declared (workload: calls), so f() may call itself, two deep"),
        (("f", "g"), None, "any function of the patch may call any other, two deep"),
        (("f", "g"), {}, "none calls another, or itself (workload: calls)"),
        (("f", "g"), {"f": ("g",)}, "f() calls g(), and nothing else"),
        (("f", "g", "h"), {"f": ("g",), "g": ("h",)}, "is too much to be explored"),
    ],
)
def test_who_calls_whom(
    functions: tuple[str, ...], calls: dict[str, tuple[str, ...]] | None, words: str
) -> None:
    assert said(told(*functions, calls=calls), words)


def test_of_many_calls_some_are_told() -> None:
    names = tuple(f"f{number}" for number in range(9))
    calls = {name: ("f8",) for name in names[:8]}
    assert said(told(*names, calls=calls), "f5() calls f8(), and 2 more calls, and nothing else")


def test_who_stands_for_whom() -> None:
    assert said(told("f", "g", "h"), "in the runs f() and g() stand for all 3")
    assert said(told("f", "g", calls={}), "in the runs f() stands for all 2")
    assert not said(told("f"), "stand")


def test_a_function_that_is_slept_in_is_not_assumed_to_be_left() -> None:
    assert said(told("f"), "no thread sleeps in a replaced function without limit")
    assert not said(told("do_epoll_wait"), "no thread sleeps")
    assert not said(told("f", sleeps=("f",)), "no thread sleeps")


def test_what_the_mode_and_the_needs_leave_open() -> None:
    assert said(told("f", mode=ModeName.KGRAFT), "for them this is LEAVE_PATCHED_SET")
    assert said(told("f", mode=ModeName.KGRAFT), "system calls end")
    assert not said(told("f"), "system calls end")
    assert said(told("f", leave=Leave.LEAVE_FUNCTION), "the needs forbid nothing")
    assert said(told("f", preempted=EngineName.LIVEPATCH), "engine livepatch moves the threads")


def test_who_touches_data_that_changes() -> None:
    on_access = Transform.TRANSFORM_ON_ACCESS
    assert said(told("f", "g", transform=on_access), "which functions touch the data is not")
    assert not said(told("f", transform=on_access), "which functions touch")
    assert said(told("f", transform=Transform.TRANSFORM_WORLD), "is in the patch (R13)")
