# SPDX-License-Identifier: MIT
"""A build directory in which no command runs: a test says what each would write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lppack import proc

#: Given the command; returns its output, or None if it fails.
Command = Callable[[Sequence[str]], str | None]


@dataclass
class FakeSite:
    """A Site; paths as the commands see them are those of this machine."""

    folder: Path
    tree: Path
    command: Command
    ran: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def work(self) -> str:
        return str(self.folder)

    @property
    def kernel(self) -> str:
        return "/usr/src/linux-headers"

    @property
    def compiler(self) -> str:
        return "gcc-12"

    @property
    def sources(self) -> str:
        return str(self.tree)

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        assert limit > 0
        self.ran.append(tuple(argv))
        out = self.command(argv)
        return proc.Done(
            argv=tuple(argv), rc=0 if out is not None else 2, out=out or "", err="", seconds=0.0
        )
