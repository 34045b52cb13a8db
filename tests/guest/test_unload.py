# SPDX-License-Identifier: MIT
"""A thread is in the module of a patch that the kernel's own livepatch has unpatched: the module
stays until it has left. One processor, kernel code may be preempted anywhere, and the threads are
nearly always in the patched functions, without cond_resched()."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from lppack import abi, pipeline
from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.livepatch import Livepatch
from lppack.errors import ApplyStuck
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.rules.host import kernel_code_is_not_preempted
from lppack.rules.view import View
from lppack.stages.apply import Control, apply, settle, unload
from lppack.stages.bundle import extract
from lppack.stages.revert import revert
from lppack.stages.status import status
from tests.kit.caught import (
    WITH_LISTS,
    Make,
    control,
    guest,
    inside,
    kernel,
    let_go,
    make,
    references,
    threads,
)
from tests.kit.engines import controlled
from tests.kit.target import Target

__all__ = ["control", "guest", "kernel", "make", "threads"]  # fixtures

pytestmark = pytest.mark.guest

LATE = Path(__file__).parent / "patches/late"
ENGINES = (EngineName.LIVEPATCH, EngineName.CONSISTENCY)
ROUNDS = 30


def test_it_is_said_that_the_host_preempts_kernel_code(guest: GuestHost, make: Make) -> None:
    """Not by the kernel's configuration, but by its command line."""
    view = View(host=guest, engine=Livepatch(guest), states=())
    [found] = kernel_code_is_not_preempted(view, make(False).bundle)
    assert "preempt=full" in found.message


def catch(control: Control, target: Target) -> None:
    """Patch and unpatch until a thread is in the module when all is over."""
    bundle: Bundle = target.bundle
    for _ in range(ROUNDS):
        control.host.write("/proc/caught", "release")
        assert apply(control, bundle, target.ko).phase is PatchPhase.PATCHED
        control.host.write("/proc/caught", "keep")
        control.engine.reverse(bundle.module, to=False)
        assert (
            settle(control, bundle.module, PatchPhase.UNPATCHED, 120.0)[0].phase
            is PatchPhase.UNPATCHED
        )
        if inside(control):
            return
        assert goes(control, bundle.module), "nobody is inside"
    raise AssertionError("no thread was caught")


def goes(control: Control, module: str) -> bool:
    """Unload it, which may have to be asked for again: a thread that never sleeps may be met in a
    place where its stack cannot be told, each time for 15 s."""
    return any(unload(control, module) for _ in range(8))


def test_the_module_stays_until_the_last_thread_has_left(
    control: Control, threads: None, make: Make
) -> None:
    target = make(False)
    module = target.bundle.module
    catch(control, target)
    with pytest.raises(ApplyStuck, match="is unpatched, and it stays loaded while") as caught:
        revert(control, "caught")
    assert "is in lp_caught_outer" in caught.value.message
    assert control.command("revert", "caught") in str(caught.value.hint)
    (shown,) = status(control.engine, "guest")
    assert shown.phase is PatchPhase.UNPATCHED
    # Others may stand where their stack cannot be told, for a moment.
    assert "lp_caught_outer" in {blocker.function for blocker in shown.blockers}
    assert control.host.run(["rmmod", module], limit=20.0).rc != 0
    let_go(control)
    assert goes(control, module)
    assert control.engine.patches() == ()


@pytest.mark.parametrize("kernel", [WITH_LISTS], indirect=True)
def test_without_the_look_it_would_go_with_a_thread_in_it(
    control: Control, threads: None, make: Make
) -> None:
    """The control: nothing but the look keeps it; one kernel is enough to see it."""
    target = make(True)
    module = target.bundle.module
    target_hold = f"/proc/{module}"
    catch(control, target)
    control.host.write(target_hold, "blind")
    control.host.write(abi.unload_attribute(module, "unload"), "1")
    assert references(control, module) == 0, "rmmod would succeed"
    assert inside(control) > 0
    assert "lp_caught_outer+" in target.sh("cat /proc/[0-9]*/stack"), "and return into nothing"
    let_go(control)
    assert goes(control, module)


def late(
    guest: GuestHost, kernel: Kernel, folder: Path, engine: EngineName, *, looked_for: bool
) -> Target:
    """The patch of a function that exiting threads call; the negative control does not read the
    kernel's list of those."""
    plan = pipeline.make_plan(LATE, kernel=str(kernel.root), engine=engine, test_points=True)
    plan = plan if looked_for else replace(plan, exit_list=None)
    made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
    extract(made.path, folder / "files")
    return Target(guest, made.bundle, folder / "files")


def exits_inside(control: Control, target: Target) -> None:
    """A thread that exits sleeps in the new function, and is on no list; all others are old."""
    module = target.bundle.module
    assert apply(control, target.bundle, target.ko).phase is PatchPhase.PATCHED
    target.hold("late")
    target.sh("sleep 0.1")
    target.wait_until_held(1)
    target.until(lambda: target.sh("grep -l -x sleep /proc/[0-9]*/comm; true") == "")
    control.engine.reverse(module, to=False)


@pytest.mark.parametrize("kernel", [WITH_LISTS], indirect=True)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_thread_that_exits_in_it_is_found(
    guest: GuestHost, kernel: Kernel, tmp_path: Path, engine: EngineName
) -> None:
    target = late(guest, kernel, tmp_path, engine, looked_for=True)
    module = target.bundle.module
    with contextlib.contextmanager(controlled)(guest, engine) as control:
        exits_inside(control, target)
        state = settle(control, module, PatchPhase.UNPATCHED, 20.0)[0]
        if engine is EngineName.LIVEPATCH:
            assert state.phase is PatchPhase.UNPATCHED, "the kernel does not see it"
            assert not unload(control, module)
            state = control.engine.state(module)
        assert (state.blockers[0].comm, target.held()) == ("sleep", 1)
        assert references(control, module) > 0
        target.hold("")
        assert settle(control, module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
        assert goes(control, module)


@pytest.mark.parametrize("kernel", [WITH_LISTS], indirect=True)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_without_a_look_at_those_that_exit_it_would_go_with_one_in_it(
    guest: GuestHost, kernel: Kernel, tmp_path: Path, engine: EngineName
) -> None:
    """The control."""
    target = late(guest, kernel, tmp_path, engine, looked_for=False)
    module = target.bundle.module
    with contextlib.contextmanager(controlled)(guest, engine) as control:
        exits_inside(control, target)
        assert settle(control, module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
        if engine is EngineName.LIVEPATCH:
            control.host.write(abi.unload_attribute(module, "unload"), "1")
        assert references(control, module) == 0, "rmmod would succeed"
        assert target.held() == 1
        target.hold("")
        target.until(lambda: target.held() == 0)
        assert goes(control, module)
