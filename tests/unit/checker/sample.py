# SPDX-License-Identifier: MIT
"""A patch of two functions, and small machines."""

from typing import Any

from lppack.checker.machine import Hook, Machine
from lppack.checker.scenario import Patch
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Needs, Switch, Transform

PATCH = Patch(
    functions=("f", "g"),
    needs=Needs(
        leave=Leave.LEAVE_PATCHED_SET,
        switch=Switch.SWITCH_THREAD,
        transform=Transform.TRANSFORM_ON_ACCESS,
    ),
)


def machine(
    leave: Leave = Leave.LEAVE_PATCHED_SET, switch: Switch = Switch.SWITCH_THREAD, **more: Any
) -> Machine:
    return Machine(leave=leave, switch=switch, **{"rules": Rules(), "hook": Hook.TICK, **more})
