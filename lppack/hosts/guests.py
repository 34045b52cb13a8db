# SPDX-License-Identifier: MIT
"""Guests that keep running after a command: one directory each under ``store.run_dir()``."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lppack import proc, store
from lppack.errors import ApplyRefused, EnvironmentMissing
from lppack.hosts import qemu
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
#: Folders in store.run_dir() that are not guests: modules.insert() puts its files into `load`.
_RESERVED = frozenset({"load"})
_RECORD = "guest.json"
_LOCK = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveGuest:
    """One guest as ``guest list`` shows it."""

    name: str
    release: str  # of its kernel, as uname -r
    version: str  # as uname -v
    pid: int
    alive: bool
    console: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    release: str
    version: str
    pid: int  # of QEMU; of the command that is starting it, while ``starting``
    started: int  # proc.start_time() of pid, because pids are reused
    starting: bool

    def save(self, folder: Path) -> None:
        store.write_atomic(folder / _RECORD, json.dumps(asdict(self)).encode())

    @property
    def alive(self) -> bool:
        return _runs(self.pid, self.started)


def start(
    name: str,
    kernel: Kernel,
    initramfs: Path,
    *,
    cmdline: Sequence[str] = (),
    memory_mb: int = 512,
    limit: float = 120.0,
) -> GuestHost:
    """Boot the guest ``name``; it runs until ``stop``. If this fails, remove everything."""
    folder = _folder(name)
    _reserve(name, folder, kernel)
    try:
        machine = qemu.machine(kernel, initramfs, cmdline=cmdline, memory_mb=memory_mb)
        pid = qemu.daemonize(machine, folder)
        _record(kernel, pid, starting=False).save(folder)
        host = _host(name, folder)
        host.ping(limit=limit)
    except BaseException:
        _clear(folder)
        raise
    return host


def stop(name: str) -> None:
    """Stop the guest ``name``, even if it has died, and remove its directory."""
    folder = _folder(name)
    if not folder.is_dir():
        raise _unknown(name)
    _clear(folder)


def list_guests() -> tuple[LiveGuest, ...]:
    """Return all guests that were started and not stopped, also dead ones."""
    found = []
    for path in sorted(store.run_dir().glob(f"*/{_RECORD}")):
        if record := _load(path.parent):
            found.append(
                LiveGuest(
                    name=path.parent.name,
                    release=record.release,
                    version=record.version,
                    pid=record.pid,
                    alive=record.alive,
                    console=path.parent / qemu.CONSOLE,
                )
            )
    return tuple(found)


def connect(name: str) -> GuestHost:
    """Return the guest ``name``, or raise EnvironmentMissing. If it has died, its methods raise
    LostHost."""
    folder = _folder(name)
    if not _load(folder):
        raise _unknown(name)
    return _host(name, folder)


def _folder(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise EnvironmentMissing(
            f"{name!r} is not a name for a guest",
            hint="small letters, digits and dashes, 31 at most, not a dash first",
        )
    if name in _RESERVED:
        raise EnvironmentMissing(
            f"{name!r} is not a name for a guest: its folder holds module files",
            hint="give the guest another name",
        )
    return store.run_dir() / name


def _unknown(name: str) -> EnvironmentMissing:
    return EnvironmentMissing(f"there is no guest {name!r}", hint="run: lppack guest list")


def _host(name: str, folder: Path) -> GuestHost:
    def gone() -> bool:
        record = _load(folder)
        return record is None or not record.alive

    return GuestHost(f"guest:{name}", folder, lock=folder / _LOCK, gone=gone)


def _reserve(name: str, folder: Path, kernel: Kernel) -> None:
    store.run_dir().mkdir(parents=True, exist_ok=True, mode=0o700)
    with store.locked(store.run_dir() / ".lock"):
        record = _load(folder)
        if record and record.alive:
            what = "is being started" if record.starting else "runs"
            raise ApplyRefused(
                f"guest {name!r} {what} already (pid {record.pid})",
                hint=f"run: lppack guest stop {name}",
            )
        if folder.exists():
            _clear(folder)
        folder.mkdir(mode=0o700)
        _record(kernel, os.getpid(), starting=True).save(folder)


def _record(kernel: Kernel, pid: int, *, starting: bool) -> _Record:
    return _Record(
        release=kernel.release,
        version=kernel.version,
        pid=pid,
        started=proc.start_time(pid) or 0,
        starting=starting,
    )


def _load(folder: Path) -> _Record | None:
    try:
        return _Record(**json.loads((folder / _RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _clear(folder: Path) -> None:
    """Stop QEMU, by the pid in the record, or else by the pid in QEMU's own file."""
    record = _load(folder)
    if record and not record.starting:
        _end(record.pid, record.started)
    else:
        with contextlib.suppress(OSError, ValueError):
            pid = int((folder / qemu.PIDFILE).read_text())
            started = proc.start_time(pid)
            if _has_open(pid, folder):
                _end(pid, started)
    shutil.rmtree(folder, ignore_errors=True)


def _has_open(pid: int, folder: Path) -> bool:
    """Return True if the process has the console in ``folder`` open, and so is the guest's QEMU."""
    wanted = (folder / qemu.CONSOLE).resolve()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if link.readlink() == wanted:
                return True
    return False


def _runs(pid: int, started: int | None) -> bool:
    """Return True if it is the same process, and not a zombie (in a container without init)."""
    if started is None or proc.start_time(pid) != started:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _end(pid: int, started: int | None, *, limit: float = 10.0) -> None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # Check after opening the handle: from now on, it refers to this process.
        if not _runs(pid, started):
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], limit)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
