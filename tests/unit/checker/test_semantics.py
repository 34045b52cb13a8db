# SPDX-License-Identifier: MIT
"""What the claims leave out: reverts in every mode, threads that come, sleep and go."""

from typing import Any

import pytest

from lppack.checker.explorer import Found, explore
from lppack.checker.machine import OLD, Hook, Kind, Machine, Method, Phase
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch
from tests.unit.checker.mutations import mutated

L_F, L_P, L_K = Leave
S_F, S_T, S_K = Switch
FORBIDDEN = {
    (L_P, S_T): Seen.MIX_IN_P | Seen.OLD_AFTER_DONE,
    (L_P, S_K): Seen.MIX_IN_P | Seen.OLD_AFTER_DONE | Seen.BOTH_AT_ONCE,
    (L_K, S_T): Seen.MIX_IN_P | Seen.MIX_IN_KERNEL | Seen.OLD_AFTER_DONE,
    (L_K, S_K): Seen.MIX_IN_P | Seen.MIX_IN_KERNEL | Seen.OLD_AFTER_DONE | Seen.BOTH_AT_ONCE,
}


def run(leave: Leave, switch: Switch, kinds: tuple[int, ...] = (0, 0), **more: Any) -> Found:
    settings: dict[str, Any] = {"rules": Rules(), "hook": Hook.TICK, "depth": 2, **more}
    found = explore(Machine(leave=leave, switch=switch, **settings), kinds)
    assert found.whole
    return found


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("pair", FORBIDDEN)
def test_forth_and_back_keeps_the_invariants(pair: tuple[Leave, Switch], method: Method) -> None:
    hook = Hook.EXIT if method is Method.COUNT else Hook.TICK
    found = run(*pair, revert=True, method=method, hook=hook)
    assert not found.seen & (FORBIDDEN[pair] | Seen.WRONG_COUNT)
    ends = {(k.phase, k.target) for k, _ in found.parents if k.turns == 2}
    assert (Phase.COMPLETE, OLD) in ends


@pytest.mark.parametrize("pair", FORBIDDEN)
def test_threads_that_are_made_and_die_keep_them(pair: tuple[Leave, Switch]) -> None:
    found = run(*pair, births=3, depth=1)
    assert not found.seen & FORBIDDEN[pair]
    assert {len(threads) for _, threads in found.parents} == {1, 2, 3}
    counted = run(*pair, births=3, depth=1, method=Method.COUNT, hook=Hook.EXIT)
    assert not counted.seen & (FORBIDDEN[pair] | Seen.WRONG_COUNT)


def test_a_thread_that_is_asleep_in_p_keeps_its_universe() -> None:
    found = run(L_P, S_T, blocking=True)
    assert not found.seen & FORBIDDEN[L_P, S_T]
    asleep = [t for _, ts in found.parents for t in ts if t.place == 2 and t.stack]
    assert asleep
    assert mutated_seen("skip-the-check", blocking=True) & Seen.MIX_IN_P


def mutated_seen(name: str, **more: Any) -> int:
    return run(L_P, S_T, rules=mutated(name), **more).seen


def test_a_kernel_thread_by_stack_gets_less_than_leave_kernel() -> None:
    """1.8: switched by a stack check, a visit to the kernel may see both; a visit to P may not."""
    kinds = (Kind.TASK, Kind.KTHREAD)
    found = run(L_K, S_T, kinds, kthreads=L_P)
    assert found.completes
    assert found.seen & Seen.MIX_IN_KERNEL
    assert not found.seen & Seen.MIX_IN_P
    assert not run(L_K, S_T, kinds).completes  # by the mail: never
