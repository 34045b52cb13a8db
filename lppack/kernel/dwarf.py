# SPDX-License-Identifier: MIT
"""Which functions were inlined into which, as the debug information of a vmlinux has it."""

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lppack.kernel.errors import FactsError
from lppack.kernel.libdw import Attribute, Die, library

# DWARF 5, 7.5: the entries and the attribute that are looked at (dwarf.h).
_LEXICAL_BLOCK = 0x0B
_INLINED_SUBROUTINE = 0x1D
_SUBPROGRAM = 0x2E
_ABSTRACT_ORIGIN = 0x31

_DEEPEST = 500  # blocks in blocks; gcc's own limits keep real code far below


@dataclass(frozen=True, slots=True)
class Origin:
    """A function in the sources; several may have one name."""

    name: str
    file: str  # "kernel/sys.c"; "" where the compiler does not say
    line: int


@dataclass(frozen=True, slots=True)
class Code:
    """A function, or a clone of one, that has code of its own."""

    origin: Origin
    starts: tuple[int, ...]  # addresses of its parts: the function, and its cold blocks
    inlined: frozenset[Origin]  # functions inlined into it, at any depth


class DebugFile:
    """An ELF file with debug information; a context manager.

    Its methods raise FactsError if the debug information is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._lib = library()
        self._file = os.open(self._path, os.O_RDONLY)
        self._dwarf = self._lib.dwarf_begin(self._file, 0)  # DWARF_C_READ
        if not self._dwarf:
            os.close(self._file)
            raise self._failed()
        return self

    def __exit__(self, *_: object) -> None:
        self._lib.dwarf_end(self._dwarf)
        os.close(self._file)

    def build_id(self) -> bytes:
        """Return the build id, which the stripped kernel has too; b"" if there is none."""
        start = ctypes.c_void_p()
        size = self._lib.dwelf_elf_gnu_build_id(
            self._lib.dwarf_getelf(self._dwarf), ctypes.byref(start)
        )
        return ctypes.string_at(start.value, size) if size > 0 and start.value else b""

    def functions(self) -> Iterator[Code]:
        """Yield every function that has code, unit by unit."""
        lib = self._lib
        unit, following, root = ctypes.c_void_p(), ctypes.c_void_p(), Die()
        while True:
            found = lib.dwarf_get_units(
                self._dwarf, unit, ctypes.byref(following), None, None, ctypes.byref(root), None
            )
            if found < 0:
                raise self._failed()
            if found > 0:
                return
            unit = ctypes.c_void_p(following.value)
            yield from _Unit(root).functions()

    def _failed(self) -> FactsError:
        said = (self._lib.dwarf_errmsg(-1) or b"no error").decode(errors="replace")
        return FactsError(f"{self._path}: its debug information cannot be read: {said}")


class _Unit:
    """A compilation unit: one source file with all that it includes."""

    def __init__(self, root: Die) -> None:
        self._lib = library()
        self._root = root
        self._origins: dict[int, Origin] = {}

    def functions(self) -> Iterator[Code]:
        for entry in self._inside(self._root):
            if self._lib.dwarf_tag(entry) == _SUBPROGRAM and (starts := self._starts(entry)):
                found: set[Origin] = set()
                self._gather(entry, found, 0)
                yield Code(self._origin(entry), starts, frozenset(found))

    def _gather(self, outer: Die, found: set[Origin], depth: int) -> None:
        if depth > _DEEPEST:
            raise FactsError("debug information is nested without end")
        for entry in self._inside(outer):
            tag = self._lib.dwarf_tag(entry)
            if tag == _INLINED_SUBROUTINE:
                found.add(self._origin(entry))
            elif tag != _LEXICAL_BLOCK:
                continue
            self._gather(entry, found, depth + 1)

    def _inside(self, outer: Die) -> Iterator[Die]:
        """Yield each direct child of ``outer``, always in the same object: do not keep it."""
        entry = Die()
        state = self._lib.dwarf_child(outer, entry)
        while state == 0:
            yield entry
            state = self._lib.dwarf_siblingof(entry, entry)
        if state < 0:
            raise FactsError("debug information is damaged: unterminated entry")

    def _starts(self, entry: Die) -> tuple[int, ...]:
        base, start, end = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_uint64()
        starts = []
        offset = 0
        while (offset := self._lib.dwarf_ranges(entry, offset, base, start, end)) > 0:
            starts.append(start.value)
        if offset < 0:
            raise FactsError("debug information is damaged: the address of a function")
        return tuple(starts)

    def _origin(self, entry: Die) -> Origin:
        lib, attribute, named = self._lib, Attribute(), Die()
        if not (
            lib.dwarf_attr(entry, _ABSTRACT_ORIGIN, attribute)
            and lib.dwarf_formref_die(attribute, named)
        ):
            named = entry
        offset = lib.dwarf_dieoffset(named)
        if offset not in self._origins:
            line = ctypes.c_int(0)
            lib.dwarf_decl_line(named, line)
            self._origins[offset] = Origin(
                name=(lib.dwarf_diename(named) or b"?").decode(errors="replace"),
                file=(lib.dwarf_decl_file(named) or b"").decode(errors="replace"),
                line=line.value,
            )
        return self._origins[offset]
