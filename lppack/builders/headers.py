# SPDX-License-Identifier: MIT
"""The directories of a kernel that kbuild needs, and their installed paths."""

import re
from dataclasses import dataclass
from pathlib import Path

from lppack import entries
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel

_INCLUDE = re.compile(r"^include (?P<folder>/\S+)/Makefile$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPart:
    path: Path  # on this machine
    installed: str  # path in the package, which the other parts expect


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    own: HeaderPart  # linux-headers-RELEASE
    common: HeaderPart  # linux-headers-*-common, which the Makefile of ``own`` includes
    kbuild: HeaderPart  # linux-kbuild-X.Y, the programs

    @property
    def parts(self) -> tuple[HeaderPart, ...]:
        return (self.own, self.common, self.kbuild)


def find(kernel: Kernel) -> Headers:
    """Return the three header directories of ``kernel``.

    Raise EnvironmentMissing if one is missing, or if a file of the cache is damaged.
    """
    if entries.record_of(kernel.root).is_file():
        found = entries.faults(kernel.root, only="^usr/(src|lib/linux-kbuild)")
        if found:
            raise EnvironmentMissing(found[0], hint="run: lppack cache --verify --prune")
    makefile = kernel.headers / "Makefile"
    if not makefile.is_file():
        raise _lacking(kernel, str(makefile))
    installed = common_of(kernel)
    if installed is None:
        raise EnvironmentMissing(
            f"{makefile} includes no other Makefile, as those of Debian's headers packages do",
            hint="give a kernel with the headers package of Debian",
        )
    common = kernel.root / installed.lstrip("/")
    if not (common / "Makefile").is_file():
        raise _lacking(kernel, str(common))
    scripts = (kernel.headers / "scripts").resolve()  # ../../lib/linux-kbuild-6.1/scripts
    if not (scripts / "Makefile.build").is_file():
        raise _lacking(kernel, str(scripts))
    kbuild, root = scripts.parent, kernel.root.resolve()
    if not kbuild.is_relative_to(root):
        raise EnvironmentMissing(
            f"{kernel.headers}/scripts leads out of {root}, to {scripts}",
            hint="unpack linux-kbuild into the same tree",
        )
    return Headers(
        own=HeaderPart(path=kernel.headers, installed=f"/usr/src/{kernel.headers.name}"),
        common=HeaderPart(path=common, installed=installed),
        kbuild=HeaderPart(path=kbuild, installed=f"/{kbuild.relative_to(root)}"),
    )


def common_of(kernel: Kernel) -> str | None:
    """Return the installed folder that the headers' Makefile includes, kbuild's ``srctree``."""
    makefile = kernel.headers / "Makefile"
    match = _INCLUDE.search(makefile.read_text()) if makefile.is_file() else None
    return match["folder"] if match else None


def _lacking(kernel: Kernel, what: str) -> EnvironmentMissing:
    return EnvironmentMissing(
        f"kernel {kernel.release} has no headers to build with: {what} is missing",
        hint=f"unpack linux-headers-{kernel.release}, its -common package and linux-kbuild into "
        f"{kernel.root}, or use --kernel {kernel.release}",
    )
