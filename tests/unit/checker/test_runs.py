# SPDX-License-Identifier: MIT
"""A run that shows something, thread by thread."""

import pytest

from lppack import consistency
from lppack.checker import scenario
from lppack.checker.machine import Machine
from lppack.checker.observe import WORDS, Seen
from lppack.checker.runs import Run, replay, shortest
from lppack.checker.semantics import Rules
from tests.unit.checker.sample import PATCH

NULL = consistency.MODES[0]


def null() -> Machine:
    return scenario.switching(PATCH, NULL, Rules())


def found(flag: Seen, most: int = 4) -> Run:
    run = shortest(null(), flag, most)
    assert run is not None
    return run


def test_it_has_as_few_threads_as_it_takes() -> None:
    assert len(found(Seen.MIX_IN_P).first.threads) == 1
    assert len(found(Seen.BOTH_AT_ONCE).first.threads) <= 2
    hybrid = next(mode for mode in consistency.MODES if mode.name.value == "hybrid")
    assert shortest(scenario.switching(PATCH, hybrid, Rules()), Seen.MIX_IN_P, 2) is None


def test_it_says_what_it_breaks() -> None:
    run = found(Seen.MIX_IN_P)
    assert (run.invariant, run.says) == WORDS[Seen.MIX_IN_P]


def test_each_step_has_its_thread_and_its_rule() -> None:
    run = found(Seen.MIX_IN_P)
    assert {step.who for step in run.steps} == {"T1", "engine"}
    assert [step.rule for step in run.steps if step.who == "engine"][0] == "R6"
    assert all(step.does for step in run.steps)


def test_a_run_can_be_replayed_from_its_words() -> None:
    run = found(Seen.MIX_IN_P)
    said = [(step.who, step.does) for step in run.steps]
    again = replay(null(), Seen.MIX_IN_P, 1, said)
    assert [(s.who, s.does, s.after.kernel) for s in again.steps] == [
        (s.who, s.does, s.after.kernel) for s in run.steps
    ]


def test_a_replay_that_the_rules_do_not_allow_is_refused() -> None:
    said = [(step.who, step.does) for step in found(Seen.MIX_IN_P).steps]
    with pytest.raises(LookupError, match="step 2: T2 cannot do this there"):
        replay(null(), Seen.MIX_IN_P, 1, [said[0], ("T2", said[1][1]), *said[2:]])
    with pytest.raises(LookupError, match="step 1: engine cannot do this there: sleeps"):
        replay(null(), Seen.MIX_IN_P, 1, [("engine", "sleeps")])
    with pytest.raises(LookupError, match=f"after {len(said) - 1} steps not reached"):
        replay(null(), Seen.MIX_IN_P, 1, said[:-1])
    with pytest.raises(LookupError, match="after 0 steps not reached"):
        replay(null(), Seen.MIX_IN_P, 1, [])
