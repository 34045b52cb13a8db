# SPDX-License-Identifier: MIT
"""One kernel in memory: it moves by the rules alone."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lppack.engines.simulated_kernel import SimulatedKernel
from lppack.engines.simulated_tasks import LivePatch


def patch_of(module: str, *functions: str, mode: str = "hybrid", **info: object) -> LivePatch:
    pairs = [["vmlinux", function] for function in functions]
    return LivePatch(module=module, info=dict(info), functions=pairs, mode=mode)


@pytest.mark.parametrize("seed", range(5))
def test_a_task_in_an_old_function_is_waited_for_beside_another_patch(seed: int) -> None:
    """What a thread does in the functions of a settled patch is no switch of the one that moves."""
    kernel = SimulatedKernel.fresh(seed)
    kernel.load(patch_of("b", "h"))
    kernel.pass_time(20.0)
    task = kernel.hold("f")
    kernel.load(patch_of("a", "f"))
    kernel.pass_time(20.0)
    assert kernel.moving == "a"
    assert [blocker.pid for blocker, _ in kernel.blockers()] == [task.pid]
    kernel.wake(task)
    kernel.pass_time(20.0)
    assert kernel.moving is None


def test_nobody_moves_in_a_stop_in_whosever_function() -> None:
    """I9: a stopped world is stopped for the other patch's functions too."""
    kernel = SimulatedKernel.fresh(3)
    kernel.load(patch_of("b", "h"))
    kernel.pass_time(20.0)
    kernel.load(patch_of("a", "f", mode="kpatch", world=["data"], transforms=["data"]))
    for _ in range(5000):
        if kernel.patches[1].stopped:
            break
        assert kernel._step()
    assert kernel.patches[1].stopped
    assert {step.place for _, step in kernel.steps()} == {-1}, "the engine alone"


def test_of_two_patches_of_one_function_the_last_one_is_called() -> None:
    """klp_ops::func_stack; while the last goes, old calls are those of the one below."""
    kernel = SimulatedKernel.fresh(3)
    kernel.load(patch_of("a", "f", "g"))
    kernel.pass_time(20.0)
    kernel.load(patch_of("b", "f"))
    kernel.pass_time(20.0)
    held = kernel.hold("f")
    assert held.stack[-1] == ["f", "b"]
    assert all(patch.module == "b" for patch, step in kernel.steps() if step.text.endswith(" f()"))
    kernel.reverse("b")
    met = set()
    for _ in range(200):
        kernel.pass_time(0.02)
        met |= {by for task in kernel.tasks if task is not held for _, by in task.stack[-1:]}
    assert "a" in met
    assert "" not in met
    kernel.wake(held)
    kernel.pass_time(20.0)
    assert kernel.moving is None


def test_a_patch_that_was_replaced_is_left_and_not_called() -> None:
    kernel = SimulatedKernel.fresh(3)
    kernel.load(patch_of("a", "f", "g"))
    kernel.pass_time(20.0)
    held = kernel.hold("g")
    kernel.load(patch_of("b", "f", mode="null-model", replaces=["a"]))
    kernel.pass_time(5.0)
    assert kernel.moving is None
    assert not kernel.patches[0].known
    with pytest.raises(BlockingIOError):
        kernel.unload("a")
    kernel.wake(held)
    kernel.pass_time(20.0)
    assert not any(by == "a" for task in kernel.tasks for _, by in task.stack)
    kernel.unload("a")


def test_what_the_kernel_would_refuse_is_refused() -> None:
    kernel = SimulatedKernel.fresh(1)
    kernel.load(patch_of("a", "f"))
    with pytest.raises(FileExistsError):
        kernel.load(patch_of("a", "f"))
    with pytest.raises(BlockingIOError):
        kernel.load(patch_of("b", "g"))
    with pytest.raises(BlockingIOError):
        kernel.unload("a")
    for refused in (kernel.reverse, kernel.unload):
        with pytest.raises(FileNotFoundError):
            refused("none")
    with pytest.raises(FileNotFoundError):
        kernel.convert("none", on=True)
    assert [patch.module for patch in kernel.patches] == ["a"]


def test_a_transition_can_be_turned_back_and_forth() -> None:
    kernel = SimulatedKernel.fresh(1)
    task = kernel.hold("f")
    kernel.load(patch_of("a", "f"))
    kernel.pass_time(5.0)
    assert [blocker.pid for blocker, _ in kernel.blockers()] == [task.pid]
    for enabled in (False, True):
        kernel.reverse("a")
        assert kernel.patches[0].enabled == enabled
    kernel.wake(task)
    kernel.pass_time(10.0)
    assert (kernel.moving, kernel.patches[0].enabled) == (None, True)


def test_data_is_converted_when_the_transition_is_complete() -> None:
    kernel = SimulatedKernel.fresh(2)
    kernel.load(patch_of("a", "f", transforms=["data"]))
    with pytest.raises(BlockingIOError):
        kernel.convert("a", on=True)
    kernel.pass_time(10.0)
    kernel.convert("a", on=True)
    kernel.convert("a", on=True)  # which is so already
    kernel.pass_time(30.0)
    assert any(kernel.patches[0].tracked)
    kernel.convert("a", on=False)
    assert not any(kernel.patches[0].tracked) and not any(kernel.patches[0].new)


def test_what_has_no_way_back_is_not_taken_back() -> None:
    kernel = SimulatedKernel.fresh(2)
    kernel.load(patch_of("a", "f", transforms=["data"], irreversible=True))
    kernel.pass_time(10.0)
    kernel.convert("a", on=True)
    kernel.pass_time(30.0)
    before = list(kernel.patches[0].tracked)
    assert any(before)
    with pytest.raises(PermissionError):
        kernel.convert("a", on=False)
    assert kernel.patches[0].tracked == before


def test_tasks_to_put_to_sleep_are_not_without_end() -> None:
    kernel = SimulatedKernel.fresh(1)
    users = [task for task in kernel.tasks if not task.kthread]
    held = [kernel.hold("f") for _ in users]
    assert sorted(task.pid for task in held) == sorted(task.pid for task in users)
    with pytest.raises(LookupError, match="no task is left"):
        kernel.hold("f")


def test_without_a_patch_time_passes_and_nothing_happens() -> None:
    kernel = SimulatedKernel.fresh(1)
    before = [replace(task) for task in kernel.tasks]
    kernel.pass_time(100.0)
    assert kernel.time == 100.0
    assert kernel.tasks == before and kernel.steps() == [] and kernel.blockers() == []


def test_it_is_kept_whole_in_the_middle_of_a_transition() -> None:
    kernel = SimulatedKernel.fresh(5)
    kernel.target = patch_of("own", "h")
    kernel.hold("f")
    kernel.load(patch_of("a", "f", transforms=["data"]))
    kernel.pass_time(1.0)
    again = SimulatedKernel.of_json(json.loads(json.dumps(kernel.to_json())))
    assert again == kernel
    for each in (kernel, again):
        each.pass_time(5.0)
    assert again == kernel, "and goes on as this one"


@pytest.mark.parametrize("wrong", [{}, {"tasks": [{"colour": 1}], "patches": []}, {"tasks": [1]}])
def test_what_is_no_kernel_is_not_read(wrong: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError)):
        SimulatedKernel.of_json(wrong)


def test_the_log_has_an_end() -> None:
    kernel = SimulatedKernel.fresh(1)
    kernel.log = [f"line {number}" for number in range(600)]
    kernel.load(patch_of("a", "f"))
    assert kernel.log[-1] == "livepatch: 'a': starting patching transition"
    assert len(kernel.log) == 501 and kernel.log[0] == "line 101"
