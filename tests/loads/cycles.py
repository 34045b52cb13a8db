# SPDX-License-Identifier: MIT
"""Load, apply, revert, unload: each time nothing of it is left."""

from pathlib import Path

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import settle, unload
from tests.loads import spoilt
from tests.loads.driver import LOADS
from tests.loads.matrix import build, loaded

_LIMIT = 120.0  # seconds; a guard


def run_cycles(
    host: GuestHost, kernel: Kernel, engine: Path, folder: Path, mode: ModeName, cycles: int
) -> int:
    """The visits that new code has seen. ``engine`` is the one of tests/loads/spoilt.py: it stays
    while patches come and go."""
    patch = build("forms", kernel, EngineName.CONSISTENCY, mode_named(mode), folder)
    module = patch.bundle.module
    seen = 0
    with (
        loaded(host, patch) as victim,
        spoilt.spoilt(host, engine) as (control, _),
        victim.under(LOADS["loop"]),
    ):
        for cycle in range(cycles):
            victim.tell("clear")
            control.engine.load(module, patch.ko)
            state, _ = settle(control, module, PatchPhase.PATCHED, _LIMIT)
            assert state.phase is PatchPhase.PATCHED, (cycle, state)
            victim.wait("new visits", lambda now: now["new"] > 0)
            assert host.run(["rmmod", module], limit=30.0).rc != 0, "it is in use"
            control.engine.reverse(module)
            state, _ = settle(control, module, PatchPhase.UNPATCHED, _LIMIT)
            assert state.phase is PatchPhase.UNPATCHED, (cycle, state)
            assert unload(control, module), cycle
            counts = victim.counts()
            assert counts["mixed"] == 0, (cycle, counts)
            seen += counts["new"]
            assert host.list(abi.ENGINE_PATCHES) == ()
            assert host.read(f"{abi.MODULES}/{abi.ENGINE}/refcnt").strip() == "0"
    return seen
