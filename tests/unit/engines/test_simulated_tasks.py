# SPDX-License-Identifier: MIT
"""Tasks and live patches of a kernel in memory, as the rules see them."""

from dataclasses import replace

import pytest

from lppack import consistency
from lppack.checker.machine import NEW, OLD, Frame, Object, Phase, Place
from lppack.checker.semantics import Rules
from lppack.consistency import ModeName, Transform
from lppack.engines.simulated_tasks import OBJECTS, LivePatch, Task, keep, machine_of, state_of

PATCH = LivePatch(
    module="a",
    info={"transforms": ["x"]},
    functions=[["vmlinux", "f"], ["ext4", "g"]],
    mode="hybrid",
)


@pytest.mark.parametrize(
    ("info", "transform"),
    [
        ({}, Transform.NONE),
        ({"transforms": []}, Transform.NONE),
        ({"transforms": ["x"]}, Transform.TRANSFORM_ON_ACCESS),
        ({"transforms": ["x"], "world": ["x"]}, Transform.TRANSFORM_WORLD),
    ],
)
def test_how_its_data_changes(info: dict[str, list[str]], transform: Transform) -> None:
    patch = replace(PATCH, info=info)
    assert patch.transform is transform
    m = machine_of(patch, Rules(), 1)
    assert m.objects == (0 if transform is Transform.NONE else OBJECTS)


@pytest.mark.parametrize("mode", ModeName)
def test_the_machine_is_that_of_its_mode(mode: ModeName) -> None:
    m, known = machine_of(replace(PATCH, mode=mode.value), Rules(), 2), consistency.mode_named(mode)
    assert (m.leave, m.switch, m.kthreads) == (known.leave, known.switch, known.kthread)
    assert (m.functions, m.depth) == (("f", "g"), 2)


def test_a_mode_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="fast"):
        machine_of(replace(PATCH, mode="fast"), Rules(), 1)


def test_what_it_sees_of_tasks() -> None:
    """A function of another patch is one outside, which has to return first."""
    tasks = [
        Task(pid=1, comm="a", place=Place.KERNEL, stack=[["g", "a"], ["other", "b"], ["f", ""]]),
        Task(pid=2, comm="b", kthread=True, word=NEW),
    ]
    m = machine_of(PATCH, Rules(), 1)
    k, (first, second) = state_of(m, PATCH, tasks, None)
    assert first.stack == (Frame(1, NEW), Frame(2), Frame(0, OLD))
    assert (k.phase, k.target, k.armed) == (Phase.COMPLETE, NEW, 0)
    assert (first.u, second.u, second.kind) == ((NEW,), (NEW,), 1), "settled: all have switched"
    moving, threads = state_of(m, PATCH, tasks, [OLD])
    assert (moving.phase, moving.armed) == (Phase.TRANSITION, 1)
    assert [t.u for t in threads] == [(OLD,), (NEW,)]


def test_of_the_kernels_words_it_sees_its_own() -> None:
    patch = replace(PATCH, mode="kpatch")
    m = machine_of(patch, Rules(), 1)
    k, threads = state_of(m, patch, [Task(pid=1, comm="a")], [OLD, OLD])
    assert (k.sw, [t.u for t in threads]) == ((OLD,) * m.words, [()])
    away = replace(patch, enabled=False)
    assert state_of(m, away, [], None)[0].sw == (OLD,) * m.words


def test_what_a_step_has_made_is_kept() -> None:
    """An old call is the one of the patch below, or the kernel's own."""
    patch, tasks = replace(PATCH, new=[OLD] * 3, tracked=[0] * 3), [Task(pid=1, comm="a")]
    k, [thread] = state_of(machine_of(patch, Rules(), 1), patch, tasks, None)
    k = k._replace(conv=1, data=(Object(form=NEW, tracked=1), Object(), Object()))
    entered = thread._replace(place=Place.KERNEL, stack=(Frame(0, NEW), Frame(1, OLD)))
    keep((k, (entered,)), patch, tasks, {"f": "", "g": "below"})
    assert tasks[0].stack == [["f", "a"], ["g", "below"]]
    assert (tasks[0].place, patch.converting) == (Place.KERNEL, True)
    assert (patch.new, patch.tracked) == ([NEW, OLD, OLD], [1, 0, 0])
    keep((k, (entered._replace(stack=(Frame(0, NEW),)),)), patch, tasks, {"f": "", "g": ""})
    assert tasks[0].stack == [["f", "a"]], "it returned"


def test_two_patches_share_no_data() -> None:
    one, other = (LivePatch(module=n, info={}, functions=[], mode="hybrid") for n in "ab")
    one.new[0] = NEW
    assert other.new == [OLD] * OBJECTS
