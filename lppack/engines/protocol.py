# SPDX-License-Identifier: MIT
"""An engine is a mechanism: it does one step at a time and waits for nothing."""

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
    function: str | None  # of the patch, on its stack; None: none was seen
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchState:
    """One live patch as the kernel shows it at one moment."""

    module: str
    phase: PatchPhase
    convert: bool | None  # None: foreign
    converted: int
    info: PatchInfo = PatchInfo()
    blockers: tuple[Blocker, ...] = ()
    waiting: frozenset[tuple[str, str]] = frozenset()  # (object, function): it is not loaded
    problem: str | None = None  # why the engine gave the last transition up; None: it did not
    longest_stop_ms: float | None = None  # None: this engine does not stop the machine
    #: (function, objects that it left in the new form) of each `reverse` that the module has; None:
    #: not one of ours, or made by a lppack that did not look.
    still_new: tuple[tuple[str, int], ...] | None = None

    @property
    def left_new(self) -> str | None:
        """What `reverse` was called for but did not reverse, as text; None if nothing."""
        left = [
            f"{count} {'object is' if count == 1 else 'objects are'} still in the new form after "
            f"{function}()"
            for function, count in self.still_new or ()
            if count
        ]
        return "; ".join(left) or None


#: errno of reverse() towards where the patch goes already: enabled_store() of
#: kernel/livepatch/core.c (v6.1); lpe_set_enabled() of kmod/engine/core.c.
ALREADY = (errno.EINVAL, errno.EALREADY, errno.EINPROGRESS)


class Engine(Protocol):
    """Raise HostError with the kernel's errno, and LostHost."""

    name: str

    def load(self, module: str, ko: Path) -> None:
        """Load the module, which begins the transition. Raise ApplyRefused if it cannot."""

    def state(self, module: str) -> PatchState: ...

    def convert(self, module: str, *, on: bool) -> None:
        """EBUSY before the transition is complete, EAGAIN while conversions are under way."""

    def reverse(self, module: str, *, to: bool | None = None) -> None:
        """Begin to unpatch; in the middle of a transition, reverse it.

        ``to``: True towards patched, False towards unpatched; an error of ALREADY if it goes there
        already, so that two callers cannot undo each other. None: the opposite direction.
        """

    def limit(self, module: str, name: str, percent: int) -> None:
        """Limit the machine time that a transition of ``module`` takes: ``max_stop``, ``max_hold``.
        EOPNOTSUPP for an engine that takes none."""

    def unload(self, module: str) -> None:
        """Raise HostError EBUSY while the kernel still holds the module, EAGAIN while a thread is
        in it; state() then lists the threads."""

    def patches(self) -> tuple[PatchState, ...]: ...

    def forced(self) -> bool | None:
        """Return True if the kernel's log, as far back as it goes, has a forced transition.

        None: the log cannot be read.
        """

    def moving_for(self, module: str) -> float | None:
        """Return the seconds since the transition of ``module`` began, or was reversed.

        None: no transition, or the kernel's log does not go back that far.
        """

    def replaced(self, module: str) -> frozenset[tuple[str, str]]:
        """(object, function) of all that ``module`` replaces."""

    def srcversion(self, module: str) -> str | None:
        """Return the hash of the module's sources; None: not loaded, or built without it."""

    def load_order(self) -> tuple[str, ...]:
        """Return all loaded modules, the oldest first. Live patches begin when they are loaded."""
