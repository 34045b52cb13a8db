# SPDX-License-Identifier: MIT
"""The protocol of engines: an engine does one step at a time, and does not wait."""

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lppack.abi import PatchPhase
from lppack.model.patch_info import PatchInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A thread that has not switched yet, or that is still in a module to be unloaded."""

    pid: int
    tid: int
    comm: str
    function: str | None  # replaced function on its stack; None: none was seen
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchState:
    """One live patch as the kernel shows it at one moment."""

    module: str
    phase: PatchPhase
    convert: bool | None  # None: foreign
    converted: int  # objects in the new form
    info: PatchInfo = PatchInfo()
    blockers: tuple[Blocker, ...] = ()
    # (object, function) of objects that are not loaded
    waiting: frozenset[tuple[str, str]] = frozenset()
    problem: str | None = None  # why the engine gave up the last transition; None: it did not
    longest_stop_ms: float | None = None  # None: this engine does not stop the machine
    #: (function, objects that it left in the new form) of each `reverse`; None: a foreign module,
    #: or one of an earlier lppack that did not count.
    still_new: tuple[tuple[str, int], ...] | None = None

    @property
    def left_new(self) -> str | None:
        """Return the objects that `reverse` did not reverse, as text; None if there are none."""
        left = [
            f"{count} {'object is' if count == 1 else 'objects are'} still in the new form after "
            f"{function}()"
            for function, count in self.still_new or ()
            if count
        ]
        return "; ".join(left) or None


#: errno of reverse() if the patch already moves in that direction: enabled_store(),
#: kernel/livepatch/core.c (v6.1); lpe_set_enabled(), kmod/engine/core.c.
ALREADY = (errno.EINVAL, errno.EALREADY, errno.EINPROGRESS)


class Engine(Protocol):
    """Controls live patches on a host. Methods raise HostError with the kernel's errno, and
    LostHost."""

    name: str

    def load(self, module: str, ko: Path) -> None:
        """Load the module, which begins the transition. Raise ApplyRefused if it cannot."""

    def state(self, module: str) -> PatchState: ...

    def convert(self, module: str, *, on: bool) -> None:
        """Switch conversion on or off; off also reverses what was converted.

        Raise HostError EBUSY: the transition is not complete; EAGAIN, EINTR: it has not ended, call
        it again; EOPNOTSUPP: the patch converts no data; EPERM: it is irreversible.
        """

    def reverse(self, module: str, *, to: bool | None = None) -> None:
        """Begin to unpatch; in the middle of a transition, reverse it.

        ``to``: True towards patched, False towards unpatched, None the opposite direction. Raise an
        error of ALREADY if it already moves in that direction, so that two callers cannot undo each
        other.
        """

    def limit(self, module: str, name: str, percent: int) -> None:
        """Limit the share of the time in which a transition of ``module`` stops the machine
        (``name``: ``max_stop``) or keeps a gate closed (``max_hold``) to ``percent``. Raise
        HostError EOPNOTSUPP if the engine has no such limit."""

    def unload(self, module: str) -> None:
        """Unload the module. EBUSY: the kernel still uses it; EAGAIN: a thread is inside.

        After EAGAIN, state() lists the threads.
        """

    def patches(self) -> tuple[PatchState, ...]: ...

    def forced(self) -> bool | None:
        """Return True if the kernel's log contains a forced transition.

        Return None if the log cannot be read.
        """

    def moving_for(self, module: str) -> float | None:
        """Return the seconds since the transition of ``module`` began, or was reversed.

        Return None if there is no transition, or if the kernel's log does not go back that far.
        """

    def replaced(self, module: str) -> frozenset[tuple[str, str]]:
        """Return (object, function) of every function that ``module`` replaces."""

    def srcversion(self, module: str) -> str | None:
        """Return the hash of the module's sources; None: not loaded, or built without it."""

    def load_order(self) -> tuple[str, ...]:
        """Return all loaded modules, the oldest first. A live patch begins its transition when it
        is loaded."""
