# SPDX-License-Identifier: MIT
"""The run that shows how a transition goes, there and back."""

from dataclasses import replace

import pytest

from lppack import consistency
from lppack.checker import scenario
from lppack.checker.machine import NEW, OLD, Machine, Phase
from lppack.checker.scenario import Patch
from lppack.checker.semantics import Rules
from lppack.checker.story import story
from lppack.consistency import Mode, Switch
from tests.unit.checker.sample import PATCH


def shown(mode: Mode) -> Machine:
    return scenario.showing(PATCH, mode, Rules())


@pytest.mark.parametrize("mode", consistency.MODES, ids=lambda mode: mode.name.value)
def test_a_story_goes_there_and_back(mode: Mode) -> None:
    first, steps = story(shown(mode))
    phases = [(s.after.state[0].phase, s.after.state[0].target) for s in steps]
    assert first.state[0].phase == Phase.IDLE
    assert phases.index((Phase.COMPLETE, NEW)) < phases.index((Phase.TRANSITION, OLD))
    assert phases[-1] == (Phase.COMPLETE, OLD)
    begun = next(s.after for s in steps if s.rule == "R6")
    assert sum(bool(t.stack) for t in begun.state[1]) == 2, "two were inside at apply"
    forms = {o.form for s in steps for o in s.after.state[0].data}
    assert forms == {OLD, NEW}, "an object is converted, and reversed"
    assert all(o.form == OLD for o in steps[-1].after.state[0].data)


def test_a_story_shows_what_a_mode_is_about() -> None:
    def at_once(mode: Mode) -> bool:
        _, steps = story(shown(mode))
        return any({f.univ for t in s.after.state[1] for f in t.stack} == {OLD, NEW} for s in steps)

    assert {m.switch for m in consistency.MODES if not at_once(m)} == {Switch.SWITCH_KERNEL}


def test_a_patch_of_hooks_alone_has_a_story_too() -> None:
    hooks = scenario.showing(Patch(functions=(), needs=PATCH.needs), consistency.MODES[3], Rules())
    _, steps = story(hooks)
    phases = [step.after.state[0].phase for step in steps]
    assert Phase.TRANSITION in phases and phases[-1] == Phase.COMPLETE


def test_what_the_rules_do_not_allow_is_passed_over() -> None:
    """Without the end of a transition the run stays in it."""
    rules = replace(Rules(), r9=lambda m, k, threads: iter(()))
    _, steps = story(scenario.showing(PATCH, consistency.MODES[3], rules))
    assert steps
    assert {step.after.state[0].phase for step in steps} <= {Phase.IDLE, Phase.TRANSITION}
