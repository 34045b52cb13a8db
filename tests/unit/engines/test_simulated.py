# SPDX-License-Identifier: MIT
"""`--engine simulated`: a kernel in memory that outlives a command."""

import errno
import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.checker.machine import Place
from lppack.consistency import ModeName
from lppack.engines.simulated import Simulated, SimulatedClock, SimulatedHost, state_file, stored
from lppack.engines.simulated_kernel import SimulatedKernel
from lppack.errors import ApplyRefused, ApplyReversed, EnvironmentMissing, HostError
from lppack.stages.apply import Control, apply, settle
from lppack.stages.convert import convert
from lppack.stages.revert import find, revert, unpatch
from tests.kit.bundles import made
from tests.kit.command import Ran, check_shape, lppack
from tests.kit.samples import bundle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path, tmp_path)


def run(state: Path, *words: str | Path) -> Ran:
    return lppack(*words, env={"XDG_STATE_HOME": str(state)})


@pytest.mark.slow
def test_the_road_in_memory(path: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert run(state, "status", "--engine", "simulated").out == "no live patch is on simulated\n"
    applied = run(state, "apply", path, "--engine", "simulated", "--format", "json")
    assert applied.rc == 0
    check_shape("patches", applied.json)
    [patch] = applied.json["patches"]
    assert (patch["engine"], patch["host"], patch["phase"]) == ("simulated", "simulated", "patched")
    again = run(state, "apply", path, "--engine", "simulated", "--format", "json")
    assert (again.rc, again.json["changed"]) == (0, False)
    assert "patched" in run(state, "status", "--on", "simulated").out
    reverted = run(state, "revert", "conn-limit", "--engine", "simulated")
    assert reverted.rc == 0
    assert (state / "lppack/simulated/kernel.json").is_file()
    again = run(state, "revert", "conn-limit", "--engine", "simulated", "--format", "json")
    assert again.json == {"ok": True, "patches": [], "changed": False}


def test_a_dry_run_loads_nothing(path: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "apply", path, "--engine", "simulated", "--dry-run").rc == 0
    assert "no live patch" in run(tmp_path, "status", "--engine", "simulated").out


def test_it_is_no_other_host(path: Path, tmp_path: Path) -> None:
    ran = run(tmp_path, "apply", path, "--on", "guest:x", "--engine", "simulated")
    assert ran.rc == 2
    assert "--engine simulated excludes --on" in ran.err


def test_a_file_that_is_no_kernel_is_said(tmp_path: Path) -> None:
    file = tmp_path / "lppack/simulated/kernel.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"tasks": 1}')
    ran = run(tmp_path, "status", "--engine", "simulated")
    assert ran.rc == 4
    assert f"rm {file}" in ran.err
    with pytest.raises(EnvironmentMissing), stored(file):
        pass


def test_another_kernel_is_refused_while_a_patch_is_on(path: Path, tmp_path: Path) -> None:
    kernel = SimulatedKernel.fresh()
    first = bundle()
    apply(_control(kernel, first), first, path)
    other = bundle(series="other", module="lppack_other_1", kernel_version="another build")
    with pytest.raises(Exception, match="another build"):
        apply(_control(kernel, other), other, path)


def _control(kernel: SimulatedKernel, *bundles: object) -> Control:
    return Control(
        engine=Simulated(kernel, *bundles),  # type: ignore[arg-type]
        host=SimulatedHost(kernel),
        clock=SimulatedClock(kernel),
        timeout=5.0,
    )


def test_the_same_seed_makes_the_same_kernel() -> None:
    def story(seed: int) -> str:
        kernel = SimulatedKernel.fresh(seed)
        control = _control(kernel, bundle())
        task = kernel.hold("conn_syn")
        with pytest.raises(ApplyReversed):
            apply(control, bundle(), Path("none"))
        kernel.wake(task)
        apply(control, bundle(), Path("none"))
        kernel.pass_time(3.0)
        return repr(kernel)

    assert story(1) == story(1)
    assert story(1) != story(2)


@pytest.mark.parametrize("mode", ModeName)
def test_every_mode_goes_forth_and_back(mode: ModeName) -> None:
    kernel = SimulatedKernel.fresh(3)
    patch = bundle(mode=mode)
    control = _control(kernel, patch)
    for _ in range(5):
        assert apply(control, patch, Path("none")).phase is PatchPhase.PATCHED
        kernel.pass_time(1.0)
        assert revert(control, "conn-limit").phase is PatchPhase.ABSENT


WORLD_MODES = (ModeName.KPATCH, ModeName.REFCOUNT, ModeName.CHECKPOINT)


@pytest.mark.parametrize("mode", WORLD_MODES)
def test_the_world_is_transformed_in_the_stop_that_flips(mode: ModeName) -> None:
    kernel = SimulatedKernel.fresh(3)
    patch = bundle(mode=mode, converts=False, world=True)
    control = _control(kernel, patch)
    report = apply(control, patch, Path("none"))
    assert (report.phase, report.conversion, report.converted) == (PatchPhase.PATCHED, "done", 3)
    with pytest.raises(ApplyRefused, match="in the stop"):
        convert(control, "conn-limit")
    kernel.pass_time(5.0)
    unpatch(control, find(control, "conn-limit"))
    state = control.engine.state(patch.module)
    assert (state.phase, state.converted) == (PatchPhase.UNPATCHED, 0)


@pytest.mark.parametrize("mode", WORLD_MODES)
def test_a_world_that_cannot_be_transformed_stays_as_it_is(mode: ModeName) -> None:
    kernel = SimulatedKernel.fresh(3)
    patch = bundle(mode=mode, converts=False, world=True)
    control = _control(kernel, patch)
    control.engine.load(patch.module, Path("none"))
    kernel.patches[0].refuses = True
    state, _ = settle(control, patch.module, PatchPhase.PATCHED, 5.0)
    assert (state.phase, state.converted) == (PatchPhase.UNPATCHED, 0)
    assert "an object is refused" in str(state.problem)
    assert not any(by for task in kernel.tasks for _, by in task.stack), "no new code ran"


def test_the_world_waits_for_a_sleeper_and_is_not_touched_before() -> None:
    kernel = SimulatedKernel.fresh(3)
    patch = bundle(mode=ModeName.KPATCH, converts=False, world=True)
    control = _control(kernel, patch)
    task = kernel.hold("conn_syn")
    control.engine.load(patch.module, Path("none"))
    kernel.pass_time(20.0)
    state = control.engine.state(patch.module)
    assert (state.phase, state.converted) == (PatchPhase.PATCHING, 0)
    kernel.wake(task)
    state, _ = settle(control, patch.module, PatchPhase.PATCHED, 60.0)
    assert (state.phase, state.converted) == (PatchPhase.PATCHED, 3)


def test_what_converts_nothing_answers_as_the_glue_does() -> None:
    patch = bundle(mode=ModeName.HYBRID, converts=False)
    control = _control(SimulatedKernel(), patch)
    apply(control, patch, Path("x.ko"))
    with pytest.raises(HostError) as refused:
        control.engine.convert(patch.module, on=True)
    assert refused.value.errno == errno.EOPNOTSUPP


def test_a_kernel_that_was_kept_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "kernel.json"
    with stored(file) as kernel:
        apply(_control(kernel, bundle()), bundle(), Path("none"))
    assert SimulatedKernel.of_json(json.loads(file.read_text())) == kernel


def test_where_it_lives() -> None:
    assert state_file().name == "kernel.json"
    assert os.fspath(state_file().parent).endswith("lppack/simulated")


@pytest.mark.parametrize(("first", "second"), list(pairwise([*ModeName, ModeName.NULL_MODEL])))
def test_two_patches_come_and_go_in_any_order(first: ModeName, second: ModeName) -> None:
    """Each has functions of its own, and threads are in those of both all the time."""
    kernel = SimulatedKernel.fresh(7)
    one = bundle(mode=first)
    two = bundle(
        series="other",
        module="lppack_other_1",
        mode=second,
        functions=(("vmlinux", "cmdline_proc_show"), ("vmlinux", "version_proc_show")),
    )
    control = replace(_control(kernel, one, two), timeout=60.0)
    names = {made.module: {name for _, name in made.functions} for made in (one, two)}
    for order in (("conn-limit", "other"), ("other", "conn-limit")):
        for patch in (one, two):
            assert apply(control, patch, Path("none")).phase is PatchPhase.PATCHED
        met = set()
        for _ in range(100):
            kernel.pass_time(0.1)
            met |= {(function, by) for task in kernel.tasks for function, by in task.stack if by}
        assert {by for _, by in met} == {one.module, two.module}
        assert all(function in names[by] for function, by in met)
        for series in order:
            assert revert(control, series).phase is PatchPhase.ABSENT
        kernel.pass_time(5.0)
        assert not any(by for task in kernel.tasks for _, by in task.stack), "nobody is in new code"


def test_threads_are_in_the_functions_of_two_patches_at_once() -> None:
    """And a call of one patch's function never runs as another's."""
    kernel = SimulatedKernel.fresh(7)
    one = bundle()
    two = bundle(series="other", module="lppack_other_1", functions=(("vmlinux", "other"),))
    control = _control(kernel, one, two)
    for patch in (one, two):
        apply(control, patch, Path("none"))
    names = {one.module: {name for _, name in one.functions}, two.module: {"other"}}
    seen = set()
    for turn in range(200):
        if turn == 100:
            kernel.reverse(one.module)
        kernel.pass_time(0.02)
        for task in kernel.tasks:
            assert task.place != Place.USER or not task.stack
            seen |= {by for _, by in task.stack}
            assert all(not by or function in names[by] for function, by in task.stack)
    assert seen >= {one.module, two.module, ""}
