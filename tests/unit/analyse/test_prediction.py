# SPDX-License-Identifier: MIT
"""What the simulator says of the steps of `test`, and where a guest would do otherwise."""

from dataclasses import replace

from lppack.abi import NEVER_LEFT, PatchPhase
from lppack.analyse.prediction import StepPrediction, predict_steps
from lppack.analyse.simulate import Verdict
from lppack.consistency import ModeName
from lppack.model import FunctionPatch, ObjectPatch, StepName
from lppack.stages.test import StepResult
from tests.kit.samples import bundle, manifest


def predicted(function: str = "cmdline_proc_show", *, converts: bool = False) -> StepPrediction:
    functions = (FunctionPatch(old=function, new="lp_new", sympos=0),)
    patch = manifest(objects=(ObjectPatch(name=None, functions=functions),))
    return predict_steps(patch, bundle(converts=converts, functions=(("vmlinux", function),)))


def guest(done: StepPrediction, **changes: StepResult) -> list[StepResult]:
    """The steps of a guest that does what was predicted, but for ``changes``."""
    return [changes.get(step.step.value, step) for step in done.steps]


def test_the_steps_of_a_patch() -> None:
    said = predicted()
    assert said.verdict is Verdict.SAFE
    phases = [(step.step, step.phase) for step in said.steps if not step.skipped]
    assert phases == [
        (StepName.BEFORE, PatchPhase.ABSENT),
        (StepName.PATCHED, PatchPhase.PATCHED),
        (StepName.REVERTED, PatchPhase.UNPATCHED),
        (StepName.UNLOADED, PatchPhase.ABSENT),
        (StepName.AGAIN, PatchPhase.ABSENT),
    ]
    assert [step.step for step in said.steps if step.skipped] == [StepName.CONVERTED]
    assert list(said.differences(guest(said), reversed_=False)) == []


def test_the_steps_of_one_that_converts() -> None:
    said = predicted(converts=True)
    assert [step.converting for step in said.steps] == [False, False, True, False, False, False]
    assert not any(step.converted for step in said.steps if not step.converting)


def test_a_step_that_comes_to_something_else_is_told() -> None:
    said = predicted(converts=True)
    early = replace(said.steps[1], converting=True)
    assert list(said.differences(guest(said, patched=early), reversed_=False)) == [
        "at step patched: patched in the simulator, patched, converting in the guest"
    ]
    left = replace(said.steps[3], converted=2)
    assert list(said.differences(guest(said, reverted=left), reversed_=False)) == [
        "at step reverted: unpatched in the simulator, unpatched, data in the new form in the guest"
    ]


def test_how_much_was_converted_is_no_difference() -> None:
    said = predicted(converts=True)
    busy = replace(said.steps[2], converted=7)
    assert list(said.differences(guest(said, converted=busy), reversed_=False)) == []


def test_a_time_out_that_was_not_predicted_is_told() -> None:
    said = predicted()
    [told] = said.differences(said.steps[:1], reversed_=True)
    assert "one in the guest was reversed" in told


def test_a_function_that_is_never_left_times_out() -> None:
    said = predicted("kthreadd")
    assert said.verdict is Verdict.NEVER_FINISHES
    assert [step.step for step in said.steps] == [StepName.BEFORE]
    assert list(said.differences(said.steps, reversed_=True)) == []
    patched = StepResult(
        step=StepName.PATCHED, ok=True, skipped=None, seconds=1.0, converted=0, checks=()
    )
    [told] = said.differences([*said.steps, patched], reversed_=False)
    assert told == "step patched times out in the simulator, but the guest got there"


def test_a_function_that_is_slept_in_may_time_out_and_may_not() -> None:
    said = predicted("do_epoll_wait")
    assert said.verdict is Verdict.MAY_STALL
    assert list(said.differences(said.steps[:1], reversed_=True)) == []
    assert list(said.differences(said.steps, reversed_=False)) == []


def test_the_mode_is_that_of_the_bundle() -> None:
    said = predict_steps(manifest(), bundle(converts=False, mode=ModeName.KPATCH))
    assert said.simulation.mode.name is ModeName.KPATCH


def test_the_world_is_transformed_when_it_is_patched() -> None:
    said = predict_steps(manifest(), bundle(converts=False, world=True, mode=ModeName.KPATCH))
    assert [step.converted > 0 for step in said.steps] == [False, True, False, False, False, False]
    untouched = replace(said.steps[1], converted=0)
    [told] = said.differences(guest(said, patched=untouched), reversed_=False)
    assert (
        told
        == "at step patched: patched, data in the new form in the simulator, patched in the guest"
    )


def test_more_functions_that_are_never_left_than_there_are_tasks() -> None:
    """A fifth one was waited for without end."""
    functions = tuple(FunctionPatch(old=n, new=f"lp_{n}", sympos=0) for n in sorted(NEVER_LEFT)[:5])
    patch = manifest(objects=(ObjectPatch(name=None, functions=functions),))
    named = tuple(("vmlinux", function.old) for function in functions)
    said = predict_steps(patch, bundle(converts=False, functions=named))
    assert said.verdict is Verdict.NEVER_FINISHES
    assert [step.step for step in said.steps] == [StepName.BEFORE]
