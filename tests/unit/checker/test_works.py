# SPDX-License-Identifier: MIT
"""The border to user space step by step: task works, the engine's among them."""

from dataclasses import replace
from typing import Any

import pytest

from lppack.checker.explorer import explore
from lppack.checker.machine import OLD, Frame, Hook, Kind, Machine, Phase, Place, Thread
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.checker.works import FPUT, LATE, OURS, out, rules_of
from lppack.consistency import Leave
from tests.unit.checker.sample import machine

L_K = Leave.LEAVE_KERNEL


def bordered(rules: Rules | None = None) -> Machine:
    settings: dict[str, Any] = {
        "hook": Hook.BORDER,
        "kthreads": Leave.LEAVE_PATCHED_SET,
        "revert": True,
    }
    return machine(L_K, rules=rules_of(rules or Rules()), **settings)


@pytest.mark.parametrize(
    ("t", "is_out"),
    [
        (Thread(place=Place.USER), True),
        (Thread(place=Place.HELD), True),
        (Thread(place=Place.KERNEL), False),
        (Thread(place=Place.EXIT_LOOP), True),
        (Thread(place=Place.EXIT_LOOP, works=(OURS,)), True),
        (Thread(place=Place.EXIT_LOOP, works=(OURS, FPUT)), False),
        (Thread(place=Place.EXIT_LOOP, running=(OURS,)), False),
        (Thread(place=Place.EXIT_LOOP, stack=(Frame(0, OLD),)), False),
    ],
)
def test_who_is_out_of_the_kernel(t: Thread, is_out: bool) -> None:
    assert out(bordered(), t) is is_out


def test_the_visit_of_a_thread_ends_with_its_last_work() -> None:
    """The final fput() may call functions of the patch, and belongs to the visit that queued it."""
    found = explore(bordered(), (0,))
    assert found.whole and found.completes
    assert not found.seen & (Seen.MIX_IN_P | Seen.MIX_IN_KERNEL)
    assert any(FPUT in t.works for _, ts in found.parents for t in ts)


@pytest.mark.parametrize(
    ("check", "seen"), [("works_left", Seen.MIX_IN_KERNEL), ("last_work", Seen.MIX_IN_KERNEL)]
)
def test_without_a_check_a_visit_mixes(check: str, seen: Seen) -> None:
    blind = replace(Rules(), checks=replace(Rules().checks, **{check: False}))
    assert explore(bordered(blind), (0,)).seen & seen


def test_a_work_does_not_outlast_its_transition() -> None:
    found = explore(bordered(), (0,))
    after = [ts for k, ts in found.parents if k.phase == Phase.COMPLETE]
    assert not any(OURS in (*t.works, *t.running) for ts in after for t in ts)
    assert any(LATE in t.running for ts in after for t in ts), "one that ran then is late"
    assert not found.seen & Seen.LATE_WORK
    late = replace(Rules(), checks=replace(Rules().checks, late_works=False))
    assert explore(bordered(late), (0,)).seen & Seen.LATE_WORK


def test_kernel_threads_have_no_border() -> None:
    found = explore(bordered(), (Kind.KTHREAD,))
    assert found.completes
    assert all(not t.works for _, ts in found.parents for t in ts)
