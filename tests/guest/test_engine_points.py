# SPDX-License-Identifier: MIT
"""Threads are caught at the worst places of lppack's engine, in a guest with full preemption, where
they can be switched out there."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.apply import settle, unload
from lppack.stages.bundle import extract
from lppack.stages.test import load_targets
from tests.kit.accessors import asleep_inside_accessors
from tests.kit.command import EXAMPLES
from tests.kit.engines import controlled
from tests.kit.target import Target
from tests.loads import spoilt
from tests.loads.driver import LOADS, Patch, Victim, measure
from tests.loads.matrix import build, loaded
from tests.loads.spoilt import Fault, Point
from tests.loads.turning import turn_round
from tests.loads.verdict import faults

pytestmark = pytest.mark.guest

PATCHES = {
    ModeName.KPATCH: "visits",
    ModeName.REFCOUNT: "visits",
    ModeName.HYBRID: "forms",
    ModeName.KGRAFT: "forms",
}
CASES = (
    (ModeName.KPATCH, Point.IN_CALL),
    (ModeName.KPATCH, Point.AT_FLIP),
    (ModeName.REFCOUNT, Point.IN_CALL),
    (ModeName.HYBRID, Point.IN_CALL),
    (ModeName.HYBRID, Point.BEFORE_ENTRY),
    (ModeName.HYBRID, Point.AT_ENTRY),
    (ModeName.HYBRID, Point.AT_FLIP),
    (ModeName.KGRAFT, Point.IN_CALL),
    (ModeName.KGRAFT, Point.IN_WORK),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("points")


@pytest.fixture(scope="module")
def guest(kernel: Kernel, initramfs: Path, folder: Path) -> Iterator[GuestHost]:
    words = ("preempt=full",)
    with boot(kernel, work=folder / "g", initramfs=initramfs, cmdline=words) as host:
        # kernel/sched/debug.c: sched_dynamic_show() (v6.1)
        assert "(full)" in host.read("/sys/kernel/debug/sched/preempt")
        yield host


@pytest.fixture(scope="module")
def engine(kernel: Kernel, folder: Path) -> Path:
    return spoilt.make(kernel, folder / "engine")


@pytest.fixture(scope="module")
def patches(kernel: Kernel, folder: Path) -> dict[ModeName, Patch]:
    return {
        mode: build(name, kernel, EngineName.CONSISTENCY, mode_named(mode), folder / mode)
        for mode, name in PATCHES.items()
    }


@pytest.fixture(scope="module")
def victim(guest: GuestHost, patches: dict[ModeName, Patch]) -> Iterator[Victim]:
    with loaded(guest, patches[ModeName.KPATCH]) as victim:
        yield victim


@pytest.mark.parametrize(("mode", "point"), CASES, ids=lambda one: one.name.lower())
def test_who_is_there_when_others_switch_mixes_nothing(
    guest: GuestHost,
    victim: Victim,
    engine: Path,
    patches: dict[ModeName, Patch],
    mode: ModeName,
    point: Point,
) -> None:
    with spoilt.spoilt(guest, engine, point=point) as (control, used):
        row = measure(control, victim, patches[mode], mode, LOADS["loop"], flips=2)
        assert used.dwelt() > 0, "somebody was there"
    assert list(faults(row, mode_named(mode))) == []


@pytest.mark.parametrize("point", [Point.IN_CALL, Point.IN_WORK], ids=lambda one: one.name.lower())
def test_who_is_there_when_it_is_turned_round_mixes_nothing(
    guest: GuestHost,
    victim: Victim,
    engine: Path,
    patches: dict[ModeName, Patch],
    point: Point,
) -> None:
    mode = ModeName.KGRAFT
    with spoilt.spoilt(guest, engine, point=point) as (control, used):
        row = turn_round(control, victim, patches[mode], mode, LOADS["loop"], times=2)
        assert used.dwelt() > 0, "somebody was there"
    assert list(faults(row, mode_named(mode))) == []


@pytest.mark.parametrize("mode", [ModeName.HYBRID, ModeName.KPATCH])
def test_who_turns_it_round_when_all_have_just_left_is_heard(
    guest: GuestHost,
    victim: Victim,
    engine: Path,
    patches: dict[ModeName, Patch],
    mode: ModeName,
) -> None:
    patch = patches[mode]
    module = patch.bundle.module
    point = Point.AT_END
    with spoilt.spoilt(guest, engine, point=point, dwell_us=5_000_000) as (control, used):
        control.engine.load(module, patch.ko)
        until = time.monotonic() + 60
        while not used.dwelt():
            assert time.monotonic() < until
        control.engine.reverse(module)
        assert control.engine.state(module).phase is PatchPhase.PATCHING, "it was asked in time"
        assert settle(control, module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
        assert unload(control, module)


@pytest.mark.shows("C37")
@pytest.mark.parametrize(
    "fault", [Fault.NO_CALL_CHECK, Fault.NO_END_CHECK], ids=lambda one: one.name.lower()
)
def test_whoever_forgets_those_in_the_call_is_seen(
    guest: GuestHost,
    victim: Victim,
    engine: Path,
    patches: dict[ModeName, Patch],
    fault: Fault,
) -> None:
    """The control: a call that has its universe and is not there yet must count as inside. So few
    that often one of them is there and all others are outside. A dwelling thread reads the clock,
    by a branch where 6.1's stacks end when it is preempted there."""
    few = replace(LOADS["loop"], visitors=3, in_flight=1)
    patch = patches[ModeName.KPATCH]

    def seen(fault: Fault) -> int:
        with spoilt.spoilt(guest, engine, fault=fault, point=Point.IN_CALL, dwell_us=50_000) as (
            control,
            _,
        ):
            row = measure(control, victim, patch, "kpatch", few, flips=4)
        return row.mixed + row.together + row.wrong

    assert seen(Fault.NONE) == 0
    assert any(seen(fault) for _ in range(10))


@pytest.mark.parametrize("mode", [ModeName.KPATCH, ModeName.KGRAFT])
def test_whoever_has_sampled_the_flag_for_conversion_ends_in_the_right_form(
    guest: GuestHost, kernel: Kernel, tmp_path: Path, mode: ModeName
) -> None:
    plan = pipeline.make_plan(
        EXAMPLES / "conn-limit",
        kernel=kernel.release,
        engine="consistency",
        mode=mode,
        test_points=True,
    )
    made = pipeline.make_bundle(plan, tmp_path, builder="docker", on_line=lambda _line: None)
    extract(made.path, tmp_path / "files")
    load_targets(guest, made.bundle, tmp_path / "files")
    target = Target(guest, made.bundle, tmp_path / "files")
    for control in controlled(guest, EngineName.CONSISTENCY):
        asleep_inside_accessors(control, target, "conn-sampled")
    assert guest.run(["rmmod", "conn"], limit=20.0).rc == 0
