# SPDX-License-Identifier: MIT
"""Prototypes and layouts by name, in vmlinux and in modules."""

import sqlite3
from array import array
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.kernel.btf import Btf, Layout
from lppack.kernel.elf64 import Elf

if TYPE_CHECKING:
    from lppack.kernel.btf_check import CheckedBtf

_SECTION, _BASE_SECTION = ".BTF", ".BTF.base"


class Types:
    """The types of one kernel, from its cache file; those of a module are read on first use."""

    def __init__(self, cache: sqlite3.Connection, what: str) -> None:
        self._cache = cache
        self._what = what
        self._vmlinux: Btf | None = None  # not read yet
        self._modules: dict[Path, CheckedBtf | None] = {}  # None: the module has no BTF

    def prototypes(self, name: str, module: tuple[Path, Elf] | None = None) -> tuple[str, ...]:
        """Return the different prototypes of the functions called ``name``."""
        found = self._find("function", name, module)
        texts = (btf.prototype(number, name) for btf, number in found)
        return tuple(dict.fromkeys(texts))

    def signatures(
        self, name: str, module: tuple[Path, Elf] | None = None
    ) -> tuple[tuple[str, ...], ...]:
        """Return the different signatures of the functions called ``name``; see Btf.signature()."""
        found = (btf.signature(number) for btf, number in self._find("function", name, module))
        return tuple(dict.fromkeys(found))

    def layouts(self, name: str, module: tuple[Path, Elf] | None = None) -> tuple[Layout, ...]:
        """Return the different layouts of types with that C name ("struct file", "pgd_t")."""
        found = (btf.layout(number, name) for btf, number in self._find("type", name, module))
        return tuple(dict.fromkeys(layout for layout in found if layout))

    def _find(
        self, table: str, name: str, module: tuple[Path, Elf] | None
    ) -> list[tuple[Btf, int]]:
        checked = self._module(*module) if module else None
        own = (checked.functions if table == "function" else checked.types) if checked else ()
        found = [(checked.btf, number) for known, number in own if known == name and checked]
        # A module's BTF has all its functions, but only the types that vmlinux does not have.
        if module is None or (table == "type" and not found):
            rows = self._cache.execute(
                f"SELECT number FROM btf_{table} WHERE name = ? ORDER BY number", (name,)
            ).fetchall()
            found += [(self._base(), number) for (number,) in rows]
        return found

    def _base(self) -> Btf:
        if self._vmlinux is None:
            data, raw = self._cache.execute("SELECT data, offsets FROM btf").fetchone()
            offsets = array("I")
            offsets.frombytes(raw)
            self._vmlinux = Btf(data, offsets, self._what)
        return self._vmlinux

    def _module(self, path: Path, elf: Elf) -> "CheckedBtf | None":
        if path not in self._modules:
            self._modules[path] = self._read(elf)
        return self._modules[path]

    def _read(self, elf: Elf) -> "CheckedBtf | None":
        from lppack.kernel.btf_check import as_compiled, check, stands_alone

        names = {section.name for section in elf.sections}
        if _SECTION not in names:
            return None
        data = elf.content(elf.section(_SECTION))
        base: Btf | None = None
        if _BASE_SECTION in names:
            # Since commit 46fb0b62ea29 ("kbuild,bpf: Add module-specific pahole flags for distilled
            # base BTF") (in v6.11): an out-of-tree module has copies of the types that it uses.
            base = check(elf.content(elf.section(_BASE_SECTION)), elf.what).btf
        elif not stands_alone(data, elf.what):
            if not self._cache.execute("SELECT length(data) FROM btf").fetchone()[0]:
                return None
            base = self._base()
        checked = check(data, elf.what, base)
        symbols = {symbol.name for symbol in elf.symbols()}
        return replace(checked, functions=as_compiled(checked.functions, symbols))
