# SPDX-License-Identifier: MIT
"""An engine with test points, and task works that block."""

import time
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.model import Kernel
from lppack.stages.apply import Control, settle, unload
from tests.loads import spoilt
from tests.loads.driver import Victim
from tests.loads.matrix import build

#: Threads of the load "blocked".
BLOCKED = 12
PATCHES = {
    ModeName.KPATCH: "visits",
    ModeName.REFCOUNT: "visits",
    ModeName.KGRAFT: "forms",
    ModeName.CHECKPOINT: "visits",
}


#: In lpe_border_open(), as it was; in lpe_unregister_ops(), as if ftrace had turned itself off; in
#: lpe_try_register(), as if it did so there (but that nothing calls).
WAITS, NOT_LET_GO, HALF_HOOKED = 100, 101, 102  # as points
EDITS = (
    (
        "border.c",
        "\t\tlpe_cancel(task);\n\trcu_read_unlock();\n",
        "\t\tlpe_cancel(task);\n\trcu_read_unlock();\n"
        f"\twhile (READ_ONCE(lpe_point) == {WAITS} && module_refcount(THIS_MODULE) > 1)\n"
        "\t\tschedule_timeout_idle(HZ / 10);\n",
    ),
    (
        "redirect.c",
        "\terr = unregister_ftrace_function(&obj->hook->ops);\n",
        "\terr = unregister_ftrace_function(&obj->hook->ops);\n"
        f"\tif (READ_ONCE(lpe_point) == {NOT_LET_GO})\n"
        "\t\terr = -ENODEV;\n",
    ),
    (
        "redirect.c",
        "\terr = register_ftrace_function(ops);\n",
        "\terr = register_ftrace_function(ops);\n"
        f"\tif (!err && READ_ONCE(lpe_point) == {HALF_HOOKED}) {{\n"
        "\t\tunregister_ftrace_function(ops);\n"
        "\t\tops->flags |= FTRACE_OPS_FL_ENABLED;\n"
        "\t\terr = -ENODEV;\n"
        "\t}\n",
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("works")


def out(victim: Victim) -> int:
    """Task works of the engine that are queued or run: each keeps the module."""
    return int(victim.host.read(f"{abi.MODULES}/{abi.ENGINE}/refcnt"))


def ends_at(control: Control, module: str) -> float:
    """Seconds until it is unpatched."""
    state, seconds = settle(control, module, PatchPhase.UNPATCHED, 30.0)
    assert state.phase is PatchPhase.UNPATCHED, state
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
            assert control.engine.state(module).phase is PatchPhase.PATCHING
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
            assert settle(control, module, PatchPhase.PATCHED, 60.0)[0].phase is PatchPhase.PATCHED
            control.engine.reverse(module)
            ends_at(control, module)
            assert unload(control, module)
        assert victim.counts()["releasing"] == BLOCKED, "they blocked all the time"
        assert out(victim) > 0
    ended(victim)


def ended(victim: Victim) -> None:
    """The threads have gone on: no work is out, and the engine can go."""
    victim.tell("old")
    end = time.monotonic() + 30.0
    while out(victim):
        assert time.monotonic() < end, "works of threads that have gone on"
    assert victim.host.run(["rmmod", abi.ENGINE], limit=20.0).rc == 0


def wedges(control: Control, victim: Victim, kernel: Kernel, folder: Path, mode: ModeName) -> None:
    """The same where the worker waits for works: a reversal has no effect until they are over."""
    patch = build(PATCHES[mode], kernel, EngineName.CONSISTENCY, mode_named(mode), folder / mode)
    module = patch.bundle.module
    with victim.blocked(BLOCKED):
        with victim.held():
            control.engine.load(module, patch.ko)
            victim.tell("finish")
            victim.wait("blocked threads", lambda now: now["releasing"] == BLOCKED)
            control.engine.reverse(module)
        state, _ = settle(control, module, PatchPhase.UNPATCHED, 2.0)
        assert state.phase is not PatchPhase.UNPATCHED
        assert victim.counts()["in_flight"] == 0, "nobody is in the way"
    ends_at(control, module)
    assert unload(control, module)
    ended(victim)


@pytest.fixture(scope="module")
def engine(kernel: Kernel, folder: Path) -> Path:
    return spoilt.make(kernel, folder / "engine", *EDITS)
