# SPDX-License-Identifier: MIT
"""Task work of others, beside that of lppack's engine: what a system call has queued belongs to it,
and may block for as long as it likes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import Phase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control, apply, settle, unload
from lppack.stages.revert import revert
from tests.guest.test_contract import Make, controlled, make
from tests.loads import spoilt
from tests.loads.driver import LOADS, Patch, Victim, measure, statistics
from tests.loads.matrix import build, loaded
from tests.loads.spoilt import Fault
from tests.loads.verdict import BORDER, faults

pytestmark = pytest.mark.guest

__all__ = ["make"]  # a fixture

#: Threads of the load "blocked".
BLOCKED = 12
PATCHES = {
    ModeName.KPATCH: "visits",
    ModeName.REFCOUNT: "visits",
    ModeName.KGRAFT: "forms",
    ModeName.CHECKPOINT: "visits",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("works")


@pytest.fixture(scope="module")
def border(kernel: Kernel, folder: Path) -> Patch:
    mode = mode_named(ModeName.HYBRID)
    return build(BORDER, kernel, EngineName.CONSISTENCY, mode, folder)


@pytest.fixture(scope="module")
def victim(guest: GuestHost, border: Patch) -> Iterator[Victim]:
    with loaded(guest, border) as victim:
        yield victim


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


def out(victim: Victim) -> int:
    """Task works of the engine that are queued or run: each keeps the module."""
    return int(victim.host.read(f"{abi.MODULES}/{abi.ENGINE}/refcnt"))


def ends_at(control: Control, module: str) -> float:
    """Seconds until it is unpatched."""
    state, seconds = settle(control, module, Phase.UNPATCHED, 30.0)
    assert state.phase is Phase.UNPATCHED, state
    return seconds


def blocks(control: Control, victim: Victim, kernel: Kernel, folder: Path, mode: ModeName) -> None:
    """The final fput of threads is queued before the work of the engine, and does not end: so that
    work can neither run nor be cancelled. Transitions are reversed and given up all the same, the
    patch can go, and others come and go."""
    patch = build(PATCHES[mode], kernel, EngineName.CONSISTENCY, mode_named(mode), folder / mode)
    module = patch.bundle.module
    with victim.blocked(BLOCKED):
        with victim.held():
            control.engine.load(module, patch.ko)
            # Later: some kernels queue works of their own, too, with which a reader would end.
            victim.tell("finish")
            victim.wait("blocked threads", lambda now: now["releasing"] == BLOCKED)
            assert control.engine.state(module).phase is Phase.PATCHING
            control.engine.reverse(module)
            assert ends_at(control, module) < 5.0
            assert unload(control, module)
            assert 0 < out(victim) <= BLOCKED, "of a transition that is over"
            control.engine.load(module, patch.ko)
            victim.host.write(abi.engine_attribute(module, "deadline_ms"), "1000")
            assert ends_at(control, module) < 6.0, "by itself"
            assert unload(control, module)
        if not mode_named(mode).leave.name.endswith("KERNEL"):
            control.engine.load(module, patch.ko)
            assert settle(control, module, Phase.PATCHED, 60.0)[0].phase is Phase.PATCHED
            control.engine.reverse(module)
            ends_at(control, module)
            assert unload(control, module)
        assert victim.counts()["releasing"] == BLOCKED, "they blocked all the time"
        assert out(victim) > 0
    victim.tell("old")
    end = time.monotonic() + 30.0
    while out(victim):
        assert time.monotonic() < end, "works of threads that have gone on"
    assert victim.host.run(["rmmod", abi.ENGINE], limit=20.0).rc == 0


@pytest.fixture(scope="module")
def engine(kernel: Kernel, folder: Path) -> Path:
    return spoilt.make(kernel, folder / "engine")


@pytest.mark.parametrize("mode", PATCHES, ids=lambda mode: mode.value)
@pytest.mark.shows("C35")
def test_a_task_work_that_blocks_holds_up_nothing(
    guest: GuestHost, engine: Path, victim: Victim, kernel: Kernel, folder: Path, mode: ModeName
) -> None:
    # With a budget the gate would be closed once: the held visit sleeps, whoever is kept out.
    with spoilt.spoilt(guest, engine, fault=Fault.NO_BUDGET) as (control, _):
        blocks(control, victim, kernel, folder, mode)


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.NO_OWN_SET_CHECK], ids=lambda one: one.name)
@pytest.mark.shows("C34")
def test_a_thread_does_not_switch_itself_inside_a_replaced_task_work_run(
    guest: GuestHost, victim: Victim, engine: Path, border: Patch, fault: Fault
) -> None:
    """In hybrid, which promises nothing else; and the way back ends, though no work of the engine
    runs outside of the patched set."""
    with spoilt.spoilt(guest, engine, fault=fault) as (control, _):
        row = measure(control, victim, border, "hybrid", LOADS["close"], flips=4)
    found = list(faults(row, mode_named(ModeName.HYBRID)))
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
