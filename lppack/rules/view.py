# SPDX-License-Identifier: MIT
"""Arguments and results of the rules of a host, a built module and compiled sources."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lppack import abi
from lppack.engines.protocol import Engine, PatchState
from lppack.errors import HostError
from lppack.hosts.protocol import Host


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason not to load a bundle on this host, and a hint."""

    message: str
    hint: str
    reason: str | None = None  # for scripts; None: the id of the rule


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A host, as rules see it; ``states`` are read once."""

    host: Host
    engine: Engine
    states: tuple[PatchState, ...]

    def read(self, path: str) -> str | None:
        """Return the text of a file; None if there is no such file.

        Raise any other HostError: a rule must not pass if it cannot read.
        """
        try:
            return self.host.read(path).strip()
        except HostError as error:
            if error.absent:
                return None
            raise

    def preempts(self) -> str | None:
        """Return how the kernel preempts its own code: "full", "lazy", or None if it does not."""
        text = self.read(abi.PREEMPTION) or ""  # "none voluntary (full)"
        found = re.search(r"\((full|lazy)\)", text)
        if found is None and not text:
            found = re.search(r"\bpreempt=(full|lazy)\b", self.read(abi.COMMAND_LINE) or "")
        return found[1] if found else None

    def command(self, verb: str, series: str) -> str:
        """Return the command line for a hint."""
        return f"lppack {verb} {series} --on {self.host.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The facts with which a module is compared; None: not known, and not checked."""

    release: str | None = None
    exports: Mapping[str, int] | None = None  # name -> checksum, of Module.symvers
    compiler: str | None = None  # "gcc-12"
    engine: bool = False  # lppack_engine.ko moves it


class CompiledFault(NamedTuple):
    """A problem of the compiled sources; ``text`` begins with the function or struct."""

    text: str
    hint: str | None = None  # None: the text alone says what to do
