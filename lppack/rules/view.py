# SPDX-License-Identifier: MIT
"""What rules of a host and of a built module look at, and what they answer."""

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
    """Why a bundle should not be loaded here, and a way out."""

    message: str
    hint: str
    reason: str | None = None  # for scripts; None: the id of the rule


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A host as the rules look at it; ``states`` are read once."""

    host: Host
    engine: Engine
    states: tuple[PatchState, ...]

    def read(self, path: str) -> str | None:
        """Return the text of a file; None if there is no such file.

        Raise any other HostError: a rule that could not read must not pass.
        """
        try:
            return self.host.read(path).strip()
        except HostError as error:
            if error.absent:
                return None
            raise

    def preempts(self) -> str | None:
        """Return how the kernel preempts its own code, "full" or "lazy"; None: it does not."""
        text = self.read(abi.PREEMPTION) or ""  # "none voluntary (full)"
        found = re.search(r"\((full|lazy)\)", text)
        if found is None and not text:
            found = re.search(r"\bpreempt=(full|lazy)\b", self.read(abi.COMMAND_LINE) or "")
        return found[1] if found else None

    def command(self, verb: str, series: str) -> str:
        """Return the command line with which a person goes on."""
        return f"lppack {verb} {series} --on {self.host.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What a module is checked against; None: not known, and not judged."""

    release: str | None = None
    exports: Mapping[str, int] | None = None  # name -> checksum, of Module.symvers
    compiler: str | None = None  # "gcc-12"
    engine: bool = False  # lppack_engine.ko moves it


class CompiledFault(NamedTuple):
    """What is wrong with what was compiled; ``text`` begins with the function or struct."""

    text: str
    hint: str | None = None  # None: the text alone says what to do
