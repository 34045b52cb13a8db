# SPDX-License-Identifier: MIT
"""State of a host: its kernel, the running command, and unfinished work."""

import errno
from dataclasses import asdict, dataclass, replace
from typing import Any

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.protocol import Engine
from lppack.errors import HostError
from lppack.hosts.lock import LockHolder
from lppack.hosts.protocol import Host
from lppack.rules.view import View
from lppack.stages.journal import Journal, JournalRecord, boot_id
from lppack.stages.status import PatchReport, status
from lppack.stages.sweep import engine_is_idle, stray_files


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """State of a host, as `status` shows it."""

    kernel: str  # its release
    can_patch: bool  # False: it was built without CONFIG_LIVEPATCH
    patches: tuple[PatchReport, ...]
    version: str = ""  # version of the kernel, as uname -v prints it
    at_work: LockHolder | None = None  # the command that changes it now
    unfinished: tuple[JournalRecord, ...] = ()  # records of commands that died
    leftovers: tuple[str, ...] = ()  # files, and an engine that no patch needs
    next: str | None = None  # the command that completes unfinished work
    preempts: str | None = None  # preemption of kernel code: "full", "lazy"; None: off or not known
    last: JournalRecord | None = None  # the last command that has ended
    boot: str | None = None  # ID of the boot; None: the host has no journal

    @property
    def in_use(self) -> tuple[PatchReport, ...]:
        """Return the patches of lppack whose fixes count.

        A module that a later version has replaced does not: that version covers its fixes.
        """
        ours = tuple(patch for patch in self.patches if patch.series is not None)
        return tuple(p for p in ours if p.phase is not PatchPhase.UNPATCHED) or ours

    @property
    def mixing(self) -> tuple[str, ...]:
        """Return the live patches whose revert may mix old and new functions."""
        if self.preempts is None:
            return ()
        return tuple(p.module for p in self.patches if p.engine == EngineName.LIVEPATCH)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON fields of status, except ``patches``."""
        return {
            "kernel": self.kernel,
            "can_patch": self.can_patch,
            "preempts": self.preempts,
            "at_work": _holder_json(self.at_work) if self.at_work else None,
            "unfinished": [record.to_json() for record in self.unfinished],
            "leftovers": list(self.leftovers),
            "next": self.next,
        }


def host_status(engine: Engine, host: Host) -> HostStatus:
    """Report the host's kernel, and every live patch. Raise HostError if it does not answer."""
    try:
        host.list(abi.LIVEPATCH)
        can_patch = True
    except HostError as error:
        if not error.absent:
            raise
        can_patch = False
    found = HostStatus(
        kernel=host.read(abi.OSRELEASE).strip(),
        version=host.read(abi.VERSION).strip(),
        can_patch=can_patch,
        patches=status(engine, host.name),
        preempts=_preempts(engine, host),
    )
    if host.lock is None:
        return found  # no other command can reach such a host, and it has no journal
    journal = Journal(host)
    last = next(iter(journal.history(1)), None)
    found = replace(found, last=last, boot=boot_id(host))
    at_work = host.lock.holder()
    if at_work is not None:
        step = f"wait for {at_work}"
        patches = tuple(replace(patch, at_work=step) for patch in found.patches)
        # The running command owns its unfinished work and the present files.
        unfinished = tuple(r for r in journal.unfinished() if r.pid != at_work.pid)
        return replace(found, at_work=at_work, patches=patches, unfinished=unfinished, next=step)
    unfinished = journal.unfinished()
    leftovers = _leftovers(host)
    recover = f"lppack recover --on {host.name}" if unfinished or leftovers else None
    touched = {record.module for record in unfinished}
    return replace(
        found,
        unfinished=unfinished,
        leftovers=leftovers,
        next=recover,
        patches=tuple(
            replace(patch, recover=recover) if patch.module in touched else patch
            for patch in found.patches
        ),
    )


def _preempts(engine: Engine, host: Host) -> str | None:
    try:
        return View(host=host, engine=engine, states=()).preempts()
    except HostError as error:
        if error.errno in (
            errno.EACCES,
            errno.EPERM,
        ):  # only root can read it, so the state is not known
            return None
        raise


def _leftovers(host: Host) -> tuple[str, ...]:
    files = tuple(f"{path} was left by a command that died" for path in stray_files(host))
    if engine_is_idle(host):
        return (*files, f"{abi.ENGINE} is loaded, and no patch needs it")
    return files


def _holder_json(holder: LockHolder) -> dict[str, Any]:
    known = {name: value for name, value in asdict(holder).items() if value is not None}
    return {name: value for name, value in known.items() if name != "lock_pid"}
