# SPDX-License-Identifier: MIT
"""Task work of others, beside that of lppack's engine: what a system call has queued belongs to it,
and may block for as long as it likes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.errors import ApplyRefused, ApplyStuck
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.revert import revert
from tests.kit.engines import Make, controlled, make
from tests.kit.works import (
    HALF_HOOKED,
    NOT_LET_GO,
    PATCHES,
    WAITS,
    blocks,
    engine,
    folder,
    wedges,
)
from tests.loads import spoilt
from tests.loads.driver import LOADS, Patch, Victim, measure, statistics
from tests.loads.matrix import build, loaded
from tests.loads.spoilt import Fault
from tests.loads.verdict import BORDER, faults

__all__ = ["engine", "folder"]  # fixtures

pytestmark = pytest.mark.guest

PATCHED = "this has been live patched\n"
_WARNING = "WARNING: CPU"

__all__ = ["make"]  # a fixture


def built(kernel: Kernel, folder: Path, mode: ModeName) -> Patch:
    return build(
        BORDER, kernel, EngineName.CONSISTENCY, mode_named(mode), folder / f"{mode}-border"
    )


@pytest.fixture(scope="module")
def border(kernel: Kernel, folder: Path) -> Patch:
    return built(kernel, folder, ModeName.HYBRID)


@pytest.fixture(scope="module")
def victim(guest: GuestHost, border: Patch) -> Iterator[Victim]:
    with loaded(guest, border) as victim:
        yield victim


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


@pytest.mark.parametrize("mode", PATCHES, ids=lambda mode: mode.value)
@pytest.mark.shows("C35")
def test_a_task_work_that_blocks_holds_up_nothing(
    guest: GuestHost, engine: Path, victim: Victim, kernel: Kernel, folder: Path, mode: ModeName
) -> None:
    # With a budget the gate would be closed once: the held visit sleeps, whoever is kept out.
    with spoilt.spoilt(guest, engine, fault=Fault.NO_BUDGET) as (control, _):
        blocks(control, victim, kernel, folder, mode)


@pytest.mark.parametrize("mode", PATCHES, ids=lambda mode: mode.value)
def test_a_worker_that_waits_for_task_work_is_seen(
    guest: GuestHost, engine: Path, victim: Victim, kernel: Kernel, folder: Path, mode: ModeName
) -> None:
    with spoilt.spoilt(guest, engine, fault=Fault.NO_BUDGET, point=WAITS) as (control, _):
        wedges(control, victim, kernel, folder, mode)


@pytest.fixture(scope="module")
def alone(make: Make) -> tuple[Bundle, Path]:
    """Of one object, so that no hook of another is left when the engine is unloaded by force."""
    bundle, files = make("proc-cmdline", "consistency", "kpatch")
    return bundle, files / f"{bundle.module}.ko"


def test_modules_stay_when_ftrace_does_not_let_go(
    guest: GuestHost, engine: Path, alone: tuple[Bundle, Path]
) -> None:
    """It goes on to call then: nothing may be unloaded or freed. The test does so by force, as
    ftrace has in fact let go."""
    bundle, ko = alone
    with spoilt.spoilt(guest, engine, point=NOT_LET_GO) as (control, _):
        apply(control, bundle, ko)
        with pytest.raises(ApplyStuck, match="does not let the module go; its log may say why"):
            revert(control, bundle.series)
        state = control.engine.state(bundle.module)
        assert state.phase is PatchPhase.UNPATCHED
        assert guest.read("/proc/cmdline") != PATCHED
        said = guest.run(["dmesg"], limit=30.0).out
        assert f"ftrace does not let go of {bundle.module}: -19; what is loaded of it stays" in said
        for name in (bundle.module, abi.ENGINE):
            assert guest.read(f"{abi.MODULES}/{name}/refcnt") != "0\n"
            assert guest.run(["rmmod", "-f", name], limit=30.0).rc == 0


def test_the_engine_stays_when_ftrace_turns_itself_off_in_the_middle_of_a_hook(
    guest: GuestHost, engine: Path, alone: tuple[Bundle, Path]
) -> None:
    """Some functions may call it already. The patch's module is freed, as its init fails."""
    bundle, ko = alone
    wanted = f"ftrace does not let go of {bundle.module}: -19; "
    before = guest.run(["dmesg"], limit=30.0).out
    with spoilt.spoilt(guest, engine, point=HALF_HOOKED) as (control, _):
        with pytest.raises(ApplyRefused, match=f"the kernel refused {bundle.module}"):
            apply(control, bundle, ko)
        said = guest.run(["dmesg"], limit=30.0).out
        assert said.count(wanted) > before.count(wanted)
        assert said.count(_WARNING) == before.count(_WARNING), "of a filter that is still in use"
        assert bundle.module not in guest.list(abi.MODULES)
        assert guest.read("/proc/cmdline") != PATCHED
        assert guest.read(f"{abi.MODULES}/{abi.ENGINE}/refcnt") != "0\n"
        assert guest.run(["rmmod", "-f", abi.ENGINE], limit=30.0).rc == 0


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.NO_OWN_SET_CHECK], ids=lambda one: one.name)
@pytest.mark.parametrize("mode", [ModeName.HYBRID, ModeName.KGRAFT], ids=lambda mode: mode.value)
@pytest.mark.shows("C34")
def test_a_thread_does_not_switch_itself_inside_a_replaced_task_work_run(
    guest: GuestHost,
    victim: Victim,
    engine: Path,
    kernel: Kernel,
    folder: Path,
    mode: ModeName,
    fault: Fault,
) -> None:
    """Hybrid promises nothing else; and the revert path ends, though no work of the engine
    runs outside of the patched set."""
    with spoilt.spoilt(guest, engine, fault=fault) as (control, _):
        patch = built(kernel, folder, mode)
        row = measure(control, victim, patch, mode, LOADS["close"], flips=4)
    found = list(faults(row, mode_named(mode)))
    if fault is Fault.NONE:
        assert found == []
        assert row.finished == row.flips
    else:
        assert any("task_work_run saw both universes" in text for text in found)


@pytest.mark.parametrize("mode", ["kgraft", "checkpoint"])
def test_another_patch_may_replace_what_is_on_the_way_out(
    control: Control, victim: Victim, make: Make, border: Patch, mode: str
) -> None:
    """Threads are held, and switch, in the replacement of task_work_run() as they did in itself."""
    bundle, files = make("../tests/guest/patches/nap", "consistency", mode)
    apply(control, border.bundle, border.ko)
    with victim.under(LOADS["starving"]):
        apply(control, bundle, files / f"{bundle.module}.ko")
        held = statistics(victim.host, bundle.module)["held"]
        assert mode == "kgraft" or held > 0
        revert(control, "nap")
    revert(control, BORDER)
    victim.tell("old")
