# SPDX-License-Identifier: MIT
"""Tables of places in the code: jump labels, bugs, alternatives, exceptions."""

import bisect
from collections.abc import Mapping
from typing import Protocol

from lppack.kernel.elf64 import SHN_LORESERVE, Elf, ElfSymbol, Section
from lppack.kernel.errors import FactsError
from lppack.proof.objects import Entries, Reference

#: Tables about places in the code that the kernel patches or looks up, and the possible sizes of
#: their entries in bytes: arch/x86/include/asm/{jump_label,bug,alternative,extable}.h.
TABLES: Mapping[str, tuple[int, ...]] = {
    "__jump_table": (16,),
    "__bug_table": (12, 16, 10, 8),
    ".altinstructions": (14, 12),
    "__ex_table": (12,),
    ".smp_locks": (4,),
    ".parainstructions": (16,),
}


class Readable(Protocol):
    """The attributes of an object file's reader that tables use."""

    elf: Elf
    symbols: tuple[ElfSymbol, ...]
    tables: dict[int, list[tuple[int, int, int, int]]]

    def references(self, section: Section, start: int, end: int) -> list[Reference]: ...

    def guarded(self, section: Section, start: int, end: int) -> object: ...


class Tables:
    """The tables of one object file."""

    def __init__(self, reader: Readable) -> None:
        self._reader = reader
        self._sizes: dict[int, int] = {}

    def entries(self) -> Entries:
        """Return the entries of all tables, by section of code and offset in it."""
        found: Entries = {}
        for section in self._reader.elf.sections:
            if section.name not in TABLES or not section.size:
                continue
            table = self._reader.tables.get(section.index, [])
            content = self._reader.elf.content(section)
            size = self.entry_size(section)
            for start in range(0, section.size, size):
                first = bisect.bisect_left(table, (start, -1, -1, -1))
                offset, number, kind, addend = table[first]
                symbol = self._reader.symbols[number]
                here = found.setdefault(symbol.section, {})
                data = bytearray(content[start : start + size])
                references = self._reader.references(section, start, start + size)
                if section.name == ".altinstructions":
                    references = self._replacement(references, section, start, data[-1])
                for one in references:
                    data[one.offset : one.offset + 4] = bytes(4)
                here.setdefault(symbol.value + addend, []).append(
                    (section.name, bytes(data), tuple(references))
                )
        return found

    def entry_size(self, section: Section) -> int:
        """Return the entry size at which every entry begins with a relocation."""
        if section.index not in self._sizes:
            starts = {offset for offset, *_ in self._reader.tables.get(section.index, [])}
            for size in TABLES[section.name]:
                ats = range(0, section.size, size)
                if section.size % size == 0 and all(at in starts for at in ats):
                    self._sizes[section.index] = size
                    break
            else:
                raise FactsError(
                    f"{section.name} has {section.size} bytes: its entries are of no known size"
                )
        return self._sizes[section.index]

    def _replacement(
        self, references: list[Reference], section: Section, start: int, length: int
    ) -> list[Reference]:
        """Add the replacement bytes of an alternative, whose length the entry gives."""
        found = []
        for one in references:
            raw = next(r for r in self._reader.tables[section.index] if r[0] == start + one.offset)
            symbol = self._reader.symbols[raw[1]]
            to = (
                self._reader.elf.sections[symbol.section]
                if symbol.section < SHN_LORESERVE
                else None
            )
            if to is not None and to.name == ".altinstr_replacement":
                at = symbol.value + raw[3]
                body = self._reader.guarded(to, at, at + length) if length else b""
                found.append(
                    Reference(offset=one.offset, kind=one.kind, target=("code", repr(body), 0))
                )
            else:
                found.append(one)
        return found
