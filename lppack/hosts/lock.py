# SPDX-License-Identifier: MIT
"""The lock of a host: only one command at a time changes it; others can read which command that
is."""

import contextlib
import fcntl
import json
import os
import pwd
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from lppack.errors import ApplyRefused
from lppack.shape import fits, read_json
from lppack.store import lock_holder

#: The same path for all users and environments of a machine, because it has one kernel.
PATH = Path("/run/lppack/operate.lock")
#: Seconds to wait for a command that is just ending.
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """The command that is changing a host."""

    command: str  # command line without options
    pid: int
    user: str
    since: str  # UTC, ISO 8601
    machine: str | None = None  # the machine on which it runs, if it uses ssh
    lock_pid: int | None = None  # the process on the host that holds the lock

    def __str__(self) -> str:
        where = f" on {self.machine}" if self.machine else ""
        return f"{self.command} (pid {self.pid}{where}, user {self.user}, since {self.since})"


_SHAPE = {
    **dict.fromkeys(("command", "user", "since"), str),
    **{"pid": int, "machine": str | None, "lock_pid": int | None},
}


def user_name() -> str:
    """Return the user who runs this command; under sudo, the one who called it."""
    caller = os.environ.get("SUDO_USER")
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    return f"{caller} (sudo)" if caller else name


def utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class HostLock:
    """A flock on ``path``, a file that describes the holder. The lock ends with the holder's
    process."""

    def __init__(self, path: Path, host: str) -> None:
        self._path = path
        self._host = host

    @contextlib.contextmanager
    def hold(self, command: str, *, wait: float = 0.0) -> Iterator[None]:
        """Hold the lock during the block; wait up to ``wait`` seconds for it.

        Raise ApplyRefused, with the name of the holder, if another command still holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.open("a+") as file:
            self._take(file, max(wait, _PATIENCE))
            me = LockHolder(command=command, pid=os.getpid(), user=user_name(), since=utc_now())
            self._write(file, json.dumps(asdict(me)))
            try:
                yield
            finally:
                self._write(file, "")

    def holder(self) -> LockHolder | None:
        """Return the command that holds the lock; None if there is none."""
        pid = lock_holder(self._path)
        if pid is None:
            return None
        try:
            text = self._path.read_text()
        except OSError:
            text = ""
        return self._named(pid, text)

    def _take(self, file: IO[str], patience: float) -> None:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise self._refusal() from None
            time.sleep(0.02)

    def _refusal(self) -> ApplyRefused:
        found = self.holder()
        who = str(found) if found else "another command"
        there = f" (on {found.machine})" if found and found.machine else ""
        stop = f", or end it, which reverses an apply: kill {found.pid}{there}" if found else ""
        return ApplyRefused(
            f"{self._host} is being changed by {who}; nothing was done",
            hint=f"wait for it (--wait S){stop}; see: lppack status --on {self._host}",
            reason="host-in-use",
        )

    @staticmethod
    def _named(pid: int, text: str) -> LockHolder:
        """Return the holder with ``pid`` from /proc/locks; ``text`` may be from a killed
        command."""
        with contextlib.suppress(ValueError, TypeError):
            said = read_json(text)
            if fits(said, _SHAPE) and pid == ((who := LockHolder(**said)).lock_pid or who.pid):
                return who
        return LockHolder(command="another command", pid=pid, user="not known", since="not known")

    @staticmethod
    def _write(file: IO[str], text: str) -> None:
        with contextlib.suppress(OSError):  # on a full disk the lock works, but without a name
            file.seek(0)
            file.truncate()
            file.write(text)
            file.flush()
