# SPDX-License-Identifier: MIT
"""Read the debug package of an exact kernel once, and keep what it says about inlining."""

import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from lppack import entries
from lppack.distributions import open_distribution
from lppack.errors import EnvironmentMissing
from lppack.kernel.dwarf import DebugFile
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.image import Image
from lppack.kernel.inlining import Inlining, open_inlining, write_inlining
from lppack.kernel.libdw import library
from lppack.kernel.symbols import Symbol
from lppack.model import Kernel

_NOTE = struct.Struct("<III")  # size of the name, size of the content, type
_BUILD_ID = 3  # NT_GNU_BUILD_ID, include/uapi/linux/elf.h


def read_inlining(
    path: Path,
    kernel: Kernel,
    symbols: Callable[[], Iterable[Symbol]],
    image: Image,
    say: Callable[[str], None],
) -> Inlining:
    """Create ``path`` from the debug package, and return it opened.

    This takes half a minute, and downloads 100 MB from the mirror. ``say`` prints the steps. Raise
    EnvironmentMissing or FactsError.
    """
    library()  # raises before the download if there is no libdw

    def make(draft: Path) -> None:
        own = build_id(image.vmlinux())
        with open_distribution().debug.debug_vmlinux(kernel, say) as file, DebugFile(file) as debug:
            if debug.build_id() != own:
                raise FactsError(
                    f"{file.name} of the debug package is of another build than {image.path}",
                    hint="is the kernel Debian's own, of exactly that package version?",
                )
            say("reading which functions were inlined, and into which")
            write_inlining(draft, symbols(), debug.functions(), file.name)

    if found := open_inlining(entries.ensure_file(path, make)):
        return found
    raise EnvironmentMissing(f"cannot read {path}, which was just written")


def build_id(elf: Elf) -> bytes:
    """Return the build id in .notes (vmlinux.lds.h, v6.1). Raise FactsError if there is none."""
    notes = elf.content(elf.section(".notes"))
    at = 0
    while at + _NOTE.size <= len(notes):
        name, size, kind = _NOTE.unpack_from(notes, at)
        start = at + _NOTE.size + (name + 3 & ~3)
        if kind == _BUILD_ID and notes[at + _NOTE.size : start] == b"GNU\0":
            return notes[start : start + size]
        at = start + (size + 3 & ~3)
    raise FactsError(f"{elf.what} has no build id", hint="it does not identify its debug package")
