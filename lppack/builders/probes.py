# SPDX-License-Identifier: MIT
"""Which options a compiler takes: kbuild tries them at the start of each run, lppack once for each
kernel and compiler.

A third of a small build is these thirty attempts, one after the other (6.1, gcc 12).
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
#: One attempt that succeeded, as probes.mk notes it: "command|answer|otherwise|". Two makes may
#: write at once: a torn line matches nothing.
_LINE = re.compile(
    r"(lppack-probe\|(?:(?!lppack-probe)[^\s$():=#])+\|) := \$\(lppack-empty\)([\w =,.+/-]*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """What is known for one kernel and compiler; ``place`` need not exist."""

    place: Path

    def write(self, work: Path) -> None:
        """Write the makefile that a build in ``work`` reads first."""
        text = _makefile().read_text()
        known = self._known()
        lines = (f"{_line(name, value)}\n" for name, value in sorted(known.items()))
        (work / _MAKEFILE).write_text(text + "".join(lines))

    def keep(self, work: Path) -> None:
        """Keep what kbuild has tried in ``work``: only after a build that ended well, and only
        where nothing but lppack's own Makefiles has run: what is kept goes into the flags of other
        builds."""
        file = work / _NEW
        if not file.is_file():
            return
        lines = file.read_text(errors="replace").splitlines()
        noted = (match for line in lines if (match := _LINE.fullmatch(line)))
        found = {m[1]: m[2] for m in noted if str(work) not in m[1] and _answers(m[1], m[2])}
        if found:
            store.write_json(self.place, {**self._known(), **found})

    def _known(self) -> dict[str, str]:
        """Return the record, which may be from a cache of somebody else: what is no attempt that
        succeeded is left out, as make would run it or the compiler obey it."""
        kept = store.read_json(self.place)
        if not isinstance(kept, dict):
            return {}
        return {n: v for n, v in kept.items() if fits(v, str) and _answers(n, v)}


def _line(name: str, value: str) -> str:
    return f"{name} := $(lppack-empty){value}"


def _answers(name: str, value: str) -> bool:
    """Return whether ``value`` is what kbuild gets where the attempt ``name`` succeeds."""
    if not _LINE.fullmatch(_line(name, value)):
        return False
    written = value.replace("=", "%e").replace(" ", "%s")  # as probes.mk does
    return name.endswith(f"|{written}|{name.split('|')[-2]}|")


def open_probes(kernel: Kernel, identity: Mapping[str, str]) -> Probes:
    """Return what is known of the compiler that ``identity`` names."""
    parts = [kernel.release, kernel.version, *map(str, sorted(identity.items()))]
    if identity.get("builder") == "host":
        # What an image has never changes; here the assembler may be another one tomorrow.
        tools = filter(None, map(shutil.which, ("as", "ld")))
        parts += [f"{tool} {Path(tool).stat().st_mtime_ns}" for tool in tools]
    digest = hashlib.sha256("\0".join(parts).encode() + _makefile().read_bytes())
    return Probes(place=store.cache_dir() / KIND / f"{digest.hexdigest()[:32]}.probes")


def environment(work: str, argv: Sequence[str]) -> tuple[str, ...]:
    """Return ``argv``, a run of make, with what write() has put into ``work``."""
    return ("env", f"MAKEFILES={work}/{_MAKEFILE}", f"LPPACK_PROBES={work}/{_NEW}", *argv)


def _makefile() -> Path:
    return resources.template_dir() / "kbuild" / _MAKEFILE
