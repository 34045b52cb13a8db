# SPDX-License-Identifier: MIT
"""L1 to L8 of docs/semantics.md: fair runs that never end, and those that cannot be."""

from typing import Any

import pytest

from lppack.checker.machine import Hook, Kind, Machine, Method
from lppack.checker.progress import Stall
from lppack.checker.progress import stall as stall_from
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch
from tests.unit.checker.mutations import mutated

L_F, L_P, L_K = Leave
S_F, S_T, S_K = Switch


def machine(leave: Leave, switch: Switch, **more: Any) -> Machine:
    return Machine(
        **{
            "rules": Rules(),
            "leave": leave,
            "switch": switch,
            "watch_p": False,
            "watch_kernel": False,
            **more,
        }
    )


def stall(m: Machine, kinds: tuple[int, ...], *, leave: bool = True) -> Stall | None:
    return stall_from(m, m.first(kinds), leave=leave)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_l1_null_never_waits(threads: int) -> None:
    assert stall(machine(L_F, S_F, hook=Hook.TICK, functions=("f", "g")), (0,) * threads) is None


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_l2_by_thread_with_an_exit_callback_ends(threads: int) -> None:
    assert stall(machine(L_P, S_T, method=Method.COUNT), (0,) * threads) is None


def test_l3_by_kernel_overlapping_visits_starve_from_two_on() -> None:
    m = machine(L_P, S_K, method=Method.COUNT)
    assert stall(m, (0,)) is None
    for threads in (2, 3):
        found = stall(m, (0,) * threads)
        assert found and found.blockers(m) == tuple(range(threads))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_l4_by_kernel_with_ticks_alone_can_miss_every_instant(threads: int) -> None:
    assert stall(machine(L_P, S_K, hook=Hook.TICK), (0,) * threads)


@pytest.mark.parametrize("switch", [S_T, S_K])
def test_l5_a_function_that_is_never_left_blocks(switch: Switch) -> None:
    m = machine(L_P, switch, method=Method.COUNT, stays=(0,))
    assert stall(m, (0, 0))


def test_l6_a_kernel_thread_blocks_where_it_has_to_leave_the_kernel() -> None:
    kinds = (Kind.TASK, Kind.KTHREAD)
    for switch in (S_T, S_K):
        assert stall(machine(L_K, switch, hook=Hook.BORDER), kinds)
    by_stack = machine(L_K, S_T, hook=Hook.BORDER, kthreads=L_P, roots=(0,))
    assert stall(machine(L_P, S_T), kinds) is None
    # It can be missed by every tick while it calls P now and then; not while it does not.
    idle = machine(L_K, S_T, hook=Hook.BORDER, kthreads=L_P, depth=0)
    assert stall(idle, kinds) is None
    assert stall(by_stack, kinds)


def test_l7_a_thread_in_user_space_must_be_flipped_by_the_engine() -> None:
    m = machine(L_P, S_T, method=Method.COUNT, rules=mutated("idle-threads-forgotten"))
    assert stall(m, (0, 0), leave=False)
    assert stall(machine(L_P, S_T, method=Method.COUNT), (0, 0)) is None


def test_a_gate_at_the_border_ends_what_would_starve() -> None:
    starving = machine(L_P, S_K, hook=Hook.TICK)
    assert stall(starving, (0, 0))
    assert stall(machine(L_P, S_K, hook=Hook.TICK, gate=True), (0, 0)) is None
