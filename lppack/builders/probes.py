# SPDX-License-Identifier: MIT
"""The options that a compiler accepts, tested once for each kernel and compiler.

kbuild itself tests them at the start of each run.

These thirty tests, one after the other, take a third of a small build (6.1, gcc 12).
"""

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import resources, store
from lppack.model import Kernel
from lppack.shape import fits

KIND = "probes"
_MAKEFILE, _NEW = "probes.mk", "probes.new"
#: One successful test, as probes.mk records it: "command|answer|otherwise|". Two makes may write at
#: once; a torn line does not match.
_LINE = re.compile(
    r"(lppack-probe\|(?:(?!lppack-probe)[^\s$():=#])+\|) := \$\(lppack-empty\)([\w =,.+/-]*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The recorded tests for one kernel and compiler; ``place`` need not exist."""

    place: Path

    def write(self, work: Path) -> None:
        """Write the makefile that a build in ``work`` reads first."""
        text = _makefile().read_text()
        known = self._known()
        lines = (f"{_line(name, value)}\n" for name, value in sorted(known.items()))
        (work / _MAKEFILE).write_text(text + "".join(lines))

    def keep(self, work: Path) -> None:
        """Store the tests that kbuild has run in ``work``.

        Call this only after a successful build in which only lppack's own Makefiles have run: the
        results become flags of other builds.
        """
        file = work / _NEW
        if not file.is_file():
            return
        lines = file.read_text(errors="replace").splitlines()
        noted = (match for line in lines if (match := _LINE.fullmatch(line)))
        found = {m[1]: m[2] for m in noted if str(work) not in m[1] and _answers(m[1], m[2])}
        if found:
            store.write_json(self.place, {**self._known(), **found})

    def _known(self) -> dict[str, str]:
        """Return the valid lines of the record.

        The cache may come from somebody else: make would run an invalid line, or pass it to the
        compiler.
        """
        kept = store.read_json(self.place)
        if not isinstance(kept, dict):
            return {}
        return {n: v for n, v in kept.items() if fits(v, str) and _answers(n, v)}


def _line(name: str, value: str) -> str:
    return f"{name} := $(lppack-empty){value}"


def _answers(name: str, value: str) -> bool:
    """Return True if ``value`` is the result that kbuild gets if the test ``name`` succeeds."""
    if not _LINE.fullmatch(_line(name, value)):
        return False
    written = value.replace("=", "%e").replace(" ", "%s")  # as probes.mk does
    return name.endswith(f"|{written}|{name.split('|')[-2]}|")


def open_probes(kernel: Kernel, identity: Mapping[str, str]) -> Probes:
    """Return the recorded tests of the compiler that ``identity`` names."""
    parts = [kernel.release, kernel.version, *map(str, sorted(identity.items()))]
    if identity.get("builder") == "host":
        # An image never changes; on this machine the assembler may be updated.
        tools = filter(None, map(shutil.which, ("as", "ld")))
        parts += [f"{tool} {Path(tool).stat().st_mtime_ns}" for tool in tools]
    digest = hashlib.sha256("\0".join(parts).encode() + _makefile().read_bytes())
    return Probes(place=store.cache_dir() / KIND / f"{digest.hexdigest()[:32]}.probes")


def environment(work: str, argv: Sequence[str]) -> tuple[str, ...]:
    """Return ``argv``, a run of make, with the makefile that write() has put into ``work``."""
    return ("env", f"MAKEFILES={work}/{_MAKEFILE}", f"LPPACK_PROBES={work}/{_NEW}", *argv)


def _makefile() -> Path:
    return resources.template_dir() / "kbuild" / _MAKEFILE
