# SPDX-License-Identifier: MIT
"""No module of the kernel's own livepatch goes while a thread is in it, or on its way into it:
under the load of tests/guest/test_unload.py, many times. UNLOAD_ROUNDS=20 for fewer."""

import os
import sys

import pytest

from lppack.abi import PatchPhase
from lppack.errors import HostError
from lppack.stages.apply import Control, apply, settle, unload
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

__all__ = ["control", "guest", "kernel", "make", "threads"]  # fixtures

ROUNDS = int(os.environ.get("UNLOAD_ROUNDS", "200"))
#: Of 15 s, see goes() of the other file.
TRIES = 8


@pytest.mark.parametrize("kernel", [WITH_LISTS], indirect=True)
def test_many_reverts(control: Control, threads: None, make: Make) -> None:
    """A thread that comes into the new function late stays there, and is counted; one that would
    return into a module that has gone, or go into it, is seen on the console."""
    target = make(False)
    module = target.bundle.module
    caught = 0
    for _ in range(ROUNDS):
        control.host.write("/proc/caught", "release")
        assert apply(control, target.bundle, target.ko).phase is PatchPhase.PATCHED
        control.host.write("/proc/caught", "keep")
        control.engine.reverse(module, to=False)
        assert settle(control, module, PatchPhase.UNPATCHED, 120.0)[0].phase is PatchPhase.UNPATCHED
        if inside(control):
            caught += 1
            with pytest.raises(HostError):
                control.engine.unload(module)
            assert references(control, module) > 0
            let_go(control)
        for _ in range(TRIES):
            if unload(control, module):
                break
            # One that was on its way into it has come, or a stack could not be told for 15 s.
            caught += inside(control) > 0
            let_go(control)
        assert control.engine.state(module).phase is PatchPhase.ABSENT, control.engine.state(module)
        assert inside(control) == 0
    assert caught > 0, "it was put to the test"
    sys.stdout.write(f"{caught} of {ROUNDS} reverts left a thread inside\n")
