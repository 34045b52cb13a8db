# SPDX-License-Identifier: MIT
"""The loads of tests/loads against lppack's own engine in each of its modes."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.consistency import ModeName, mode_named
from lppack.model import Kernel
from lppack.stages.apply import Control, settle, unload
from tests.kit.loaded import control, folder, made, patch, victim
from tests.loads.driver import LOADS, Patch, Victim, measure
from tests.loads.verdict import faults

__all__ = ["control", "folder", "patch", "victim"]  # fixtures

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]


@pytest.mark.shows("C1", "C2", "C3", "C4", "C21", "C33")
@pytest.mark.parametrize(
    ("load", "flips"), [("loop", 4), ("io_uring", 4), ("die", 2), ("close", 4)]
)
def test_a_mode_keeps_what_it_promises(
    control: Control, victim: Victim, patch: tuple[ModeName, Patch], load: str, flips: int
) -> None:
    mode, built = patch
    row = measure(control, victim, built, mode, LOADS[load], flips=flips)
    assert list(faults(row, mode_named(mode))) == []
    assert row.visits > 0
    assert (row.mixed > 0) is (mode is ModeName.NULL_MODEL), "what is allowed is seen"


def test_a_bpf_program_is_called_whoever_came_first(
    control: Control, victim: Victim, kernel: Kernel, folder: Path
) -> None:
    built = made(kernel, ModeName.KPATCH, "visits", folder / "bpf")
    row = measure(control, victim, built, ModeName.KPATCH, LOADS["bpf"], flips=2)
    assert list(faults(row, mode_named(ModeName.KPATCH))) == []
    module = built.bundle.module
    control.engine.load(module, built.ko)
    assert settle(control, module, PatchPhase.PATCHED, 60.0)[0].phase is PatchPhase.PATCHED
    with victim.under(LOADS["bpf"]):  # which sees that the program runs
        assert victim.host.read("/proc/cmdline") == "new\n"
    control.engine.reverse(module)
    assert settle(control, module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
    victim.tell("old")
    assert unload(control, module)


def test_bpf_programs_may_come_and_go_while_functions_are_hooked(
    control: Control, victim: Victim, kernel: Kernel, folder: Path
) -> None:
    """A trampoline that is being changed has ftrace refuse us, for that moment."""
    module = (built := made(kernel, ModeName.KPATCH, "visits", folder / "again")).bundle.module
    with victim.under(replace(LOADS["bpf"], fentry="again")):
        for _ in range(5):
            control.engine.load(module, built.ko)
            assert settle(control, module, PatchPhase.PATCHED, 60.0)[0].phase is PatchPhase.PATCHED
            control.engine.reverse(module)
            state, _ = settle(control, module, PatchPhase.UNPATCHED, 60.0)
            assert state.phase is PatchPhase.UNPATCHED
            victim.tell("old")
            assert unload(control, module)
            hits = victim.hits()
            assert victim.hits_after(hits) > hits, "the program comes and goes still"


def test_many_that_never_leave_together_do_not_hold_up_the_gate(
    control: Control, victim: Victim, kernel: Kernel, folder: Path
) -> None:
    """A stop at a moment of its own choice finds twelve looping threads outside next to never; the
    gate does, and wakes nobody for it."""
    patch = made(kernel, ModeName.KPATCH, "visits", folder / "starving")
    row = measure(control, victim, patch, "kpatch", LOADS["starving"], flips=40)
    assert list(faults(row, mode_named(ModeName.KPATCH))) == []
    assert (row.finished, row.flips) == (40, 40)
    assert (row.eintr, row.woken) == (0, 0), "no system call was interrupted"
