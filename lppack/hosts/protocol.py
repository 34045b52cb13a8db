# SPDX-License-Identifier: MIT
"""A host is a place where a kernel runs: this machine, a guest, or one that ssh reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lppack.hosts.lock import HostLock

TIMED_OUT = 124  # exit code of a program that ran out of time, as of timeout(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A program that ended on a host."""

    rc: int  # 128 + signal if it was killed, as a shell says it; TIMED_OUT
    out: str
    err: str

    @property
    def timed_out(self) -> bool:
        return self.rc == TIMED_OUT


class Host(Protocol):
    """Each call ends within its limit. Raises HostError (errno as the host said) or LostHost."""

    name: str  # as --on takes it: "local", "guest:NAME", "ssh:HOST"

    @property
    def lock(self) -> HostLock | None:
        """What a command holds while it changes the host; None: no other command can reach it."""

    def read(self, path: str) -> str: ...

    def write(self, path: str, text: str) -> None: ...

    def list(self, path: str) -> tuple[str, ...]: ...

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None: ...

    def run(self, argv: Sequence[str], *, limit: float) -> Ran: ...
