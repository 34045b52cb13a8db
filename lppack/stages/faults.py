# SPDX-License-Identifier: MIT
"""Fault points, only for tests: lppack dies, or a request fails, at a named step.

LPPACK_FAULT="kill before insmod": lppack kills itself just before that step of the journal;
`after`: just after it. "fail before insmod": the request is not sent, and fails with EIO; `after`:
it is sent, and fails with EIO.
"""

import errno
import os
import signal
from collections.abc import Callable

from lppack.errors import EnvironmentMissing, HostError

#: Every step, in the order of apply, convert and revert.
STEPS = (
    "begin",
    *("put-engine", "insmod-engine", "remove-engine-file"),
    *("put", "insmod", "remove-file"),
    *("convert-on", "convert-off", "unpatch", "patch"),
    *("let-go", "rmmod", "rmmod-engine"),
    "end",
)
VARIABLE = "LPPACK_FAULT"
#: Called with `before` or `after`, and the name of a step.
Fault = Callable[[str, str], None]


def no_fault(_when: str, _step: str) -> None:
    """Do nothing, as outside tests."""


def fault_wanted() -> Fault:
    """Return the fault that LPPACK_FAULT names. Raise EnvironmentMissing for an unknown name."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return no_fault
    kind, when, step = (*wanted.split(), "", "", "")[:3]
    if kind not in ("kill", "fail") or when not in ("before", "after") or step not in STEPS:
        raise EnvironmentMissing(
            f"{VARIABLE} is {wanted!r}, which is not a fault point",
            hint=f"kill or fail, before or after, and one of: {', '.join(STEPS)}",
        )

    def fault(now: str, at: str) -> None:
        if (now, at) != (when, step):
            return
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise HostError(at, errno.EIO, f"fault point: {wanted}")

    return fault
