# SPDX-License-Identifier: MIT
"""The protocol of hosts. A host runs a kernel: this machine, a guest, or a machine over ssh."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lppack.hosts.lock import HostLock

TIMED_OUT = 124  # exit code of a program that ran out of time, as of timeout(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The result of a program that ran on a host."""

    rc: int  # 128 + signal if it was killed, as in a shell; or TIMED_OUT
    out: str
    err: str

    @property
    def timed_out(self) -> bool:
        return self.rc == TIMED_OUT


class Host(Protocol):
    """A host. Each call ends within its limit; it raises HostError (with the host's errno) or
    LostHost."""

    name: str  # as --on takes it: "local", "guest:NAME", "ssh:HOST"

    @property
    def lock(self) -> HostLock | None:
        """Return the lock for commands that change the host; None if no other command can reach
        it."""

    def read(self, path: str) -> str: ...

    def write(self, path: str, text: str) -> None: ...

    def list(self, path: str) -> tuple[str, ...]: ...

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None: ...

    def run(self, argv: Sequence[str], *, limit: float) -> Ran: ...
