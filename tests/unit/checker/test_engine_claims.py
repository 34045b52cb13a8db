# SPDX-License-Identifier: MIT
"""Faults that were in an engine: put back, each is found, in a run that a person can follow."""

import pytest

from lppack.checker.explorer import explore
from lppack.checker.machine import OLD, Kind
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from tests.unit.checker.engine_claims import RUNS, livepatch, run_of, run_of_upstream
from tests.unit.checker.mutations import mutated

#: What has to be told, in this order, so that one sees how it came.
TOLD = {
    "works-forgotten": (
        "drops the last reference of a file",
        "comes to the exit loop",
        "is found outside, and switches",
        "runs the final fput()",
        "calls the new f()",
    ),
    "not-the-last": (
        "is held in the engine's work",
        "the kernel switches",
        "goes on",
        "runs the final fput()",
        "calls the new f()",
    ),
    "waits-for-works": (
        "is given a work of the engine",
        "drops the last reference of a file",
        "falls asleep",
        "opens the gate, and cancels the works that no thread runs",
    ),
    "own-stack-unread": (
        "takes its task works",
        "switches in the engine's work",
        "runs the final fput()",
        "calls the new release()",
    ),
    "unseen-kept": (
        "looks: 1 counted, nobody seen; waits for threads that end",
        "looks: subtracts 1, and the kernel switches",
    ),
    "calls-not-seen": (
        "calls outer(): ftrace decides for the old one",
        "switches",
        "enters the old outer()",
        "enters the new inner()",
    ),
}


@pytest.mark.parametrize("fault", RUNS)
def test_a_fault_that_was_in_the_engine_is_found_again(fault: str) -> None:
    run = run_of(fault)
    assert run is not None
    steps = iter(step.does for step in run.steps)
    assert all(any(words in does for does in steps) for words in TOLD[fault])


@pytest.mark.parametrize("fault", RUNS)
def test_and_not_without_it(fault: str) -> None:
    made, flag = RUNS[fault]
    found = explore(made(Rules()), (Kind.TASK, Kind.TASK))
    assert found.whole
    assert not found.seen & flag


@pytest.mark.parametrize("above", [False, True])
def test_the_kernels_own_engine_mixes_as_it_was_measured(above: bool) -> None:
    """A thread in the trampoline is switched; then the pairs that a 7.2.12 has shown."""
    run = run_of_upstream(above=above)
    assert run is not None
    entered, *_ = [s.after.state[1][0].pending for s in run.steps if "trampoline" in s.does]
    switched = [s.does for s in run.steps].index("is found outside, and switches")
    outer, inner = run.steps[-1].after.state[1][0].stack
    assert "ftrace call" in run.steps[switched].after.threads[0] or switched == 2
    assert entered == (0, outer.univ)
    assert (outer.univ, inner.univ) == ((1, 2) if above else (1, OLD))


@pytest.mark.parametrize("how", [{"revert": True}, {"upgrades": (1, 2)}])
def test_what_a_fix_must_cover(how: dict[str, object]) -> None:
    """An address anywhere in the ftrace call has to count; in its handler alone is not enough."""
    bad = Seen.MIX_IN_P | Seen.OLD_AFTER_DONE
    seen = [
        explore(livepatch(rules, preempted=True, **how), (Kind.KTHREAD, Kind.KTHREAD)).seen & bad
        for rules in (Rules(), mutated("handler-counts"), mutated("calls-count"))
    ]
    assert seen == [bad, bad, 0]
