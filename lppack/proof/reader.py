# SPDX-License-Identifier: MIT
"""Read object files and modules as functions and data that can be compared."""

import bisect
import re
from collections.abc import Iterator
from functools import cached_property

from lppack.kernel.elf64 import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHN_LORESERVE,
    SHN_UNDEF,
    SHT_NOBITS,
    SHT_RELA,
    STB_LOCAL,
    STT_OBJECT,
    STT_SECTION,
    Elf,
    ElfSymbol,
    Section,
)
from lppack.proof.branches import branches, ends
from lppack.proof.names import COUNTED, STT_FUNC, plain_names
from lppack.proof.objects import (
    PC_RELATIVE,
    R_PC8,
    R_PLT32,
    Data,
    Entries,
    Function,
    ObjectFile,
    Reference,
    Target,
)
from lppack.proof.sections import ALTERNATIVES, IGNORED, LIVING, NAMELESS, between
from lppack.proof.tables import TABLES, Tables

_SHF_MERGE, _SHF_STRINGS = 0x10, 0x20  # not in include/uapi/linux/elf.h; elf(5)
_NAMED = (0, STT_OBJECT, STT_FUNC, 6)  # STT_NOTYPE (0), STT_TLS (6)
_STB_WEAK = 2


def read_object(content: bytes, what: str, *, tree: str = "") -> ObjectFile:
    """Read an object file; names of files below ``tree`` are read as if relative to it.

    Raise FactsError if ``content`` is not an object file.
    """
    return ObjectReader(Elf(content, what), f"{tree}/".encode() if tree else b"").read()


class ObjectReader:
    """Reads a relocatable file: all of it, or functions by name, of which there may be several."""

    def __init__(self, elf: Elf, tree: bytes = b"") -> None:
        self.elf = elf
        self._tree = tree
        self.symbols = elf.symbols()
        self.tables: dict[int, list[tuple[int, int, int, int]]] = {}
        for section in elf.sections:
            if section.type == SHT_RELA:
                # Several for one section: .klp.rela.OBJECT.SECTION.
                of = elf.sections[section.info].index
                found = [*self.tables.get(of, ()), *elf.relocations_in(section)]
                self.tables[of] = sorted(found)
        self.named: dict[int, list[tuple[int, ElfSymbol]]] = {}
        for symbol in self.symbols:
            defined = SHN_UNDEF < symbol.section < SHN_LORESERVE
            if defined and symbol.name and symbol.kind in _NAMED:
                self.named.setdefault(symbol.section, []).append((symbol.value, symbol))
        for named in self.named.values():
            # Of several names at one place, one that the compiler did not generate comes first.
            named.sort(key=lambda one: (one[0], not one[1].size, "." in one[1].name, one[1].name))
        self.names = plain_names(self.symbols)
        self._contents: dict[tuple[int, int, int], bytes] = {}
        self._bounds: dict[int, list[int]] = {}
        self._tables = Tables(self)
        self._ends: dict[tuple[int, int], list[int]] = {}

    def read(self) -> ObjectFile:
        found = ObjectFile()
        entries = self._tables.entries()
        for section in self.elf.sections:
            if not section.flags & SHF_ALLOC or IGNORED.match(section.name):
                continue
            if section.flags & SHF_EXECINSTR and section.name not in ALTERNATIVES:
                if section.size and not any(
                    s.kind == STT_FUNC for _, s in self.named.get(section.index, ())
                ):
                    # Assembler at the top level, in a section without any function symbol.
                    self._other(found, section)
                for function in self._functions_in(section, entries):
                    found.functions[function.name] = function
            elif section.name in TABLES or section.name in ALTERNATIVES:
                continue
            elif not section.flags & _SHF_MERGE and not NAMELESS.match(section.name):
                self._data(section, found)
        return found

    def called(self, name: str) -> list[Function]:
        """Return the functions of that name, in the order of the symbol table, without entries of
        tables."""
        found = []
        for symbol in self.symbols:
            defined = SHN_UNDEF < symbol.section < SHN_LORESERVE
            if symbol.name == name and symbol.kind == STT_FUNC and defined:
                section = self.elf.sections[symbol.section]
                found.append(self._function(section, symbol.value, {}, shared=True))
        return found

    @cached_property
    def places(self) -> dict[str, set[tuple[int, int]]]:
        """Map each name, without the compiler's numbers, to its places: (section, offset)."""
        found: dict[str, set[tuple[int, int]]] = {}
        for symbol in self.symbols:
            if symbol.name and SHN_UNDEF < symbol.section < SHN_LORESERVE:
                plain = self.names[symbol.name].partition("#")[0]
                found.setdefault(plain, set()).add((symbol.section, symbol.value))
        return found

    def _functions_in(self, section: Section, entries: Entries) -> Iterator[Function]:
        starts = {at for at, s in self.named.get(section.index, ()) if s.kind == STT_FUNC}
        for start in sorted(starts):
            yield self._function(section, start, entries, shared=len(starts) > 1)

    def _function(
        self, section: Section, start: int, entries: Entries, *, shared: bool
    ) -> Function:
        """Return the function at ``start``; ``shared``: its section has other functions, too."""
        named = self.named[section.index]
        first = bisect.bisect_left(named, start, key=lambda one: one[0])
        here = []
        for at, symbol in named[first:]:
            if at != start:
                break
            if symbol.kind == STT_FUNC:
                here.append(symbol)
        symbol = here[0]
        end = start + symbol.size
        code = bytearray(self.elf.content(section)[start:end])
        references = self.references(section, start, end)
        for reference in references:
            code[reference.offset : reference.offset + reference.width] = bytes(reference.width)
        if shared:
            references += self._branches(section, start, code, references)
        inside = sorted(
            (at - start, one)
            for at, ones in entries.get(section.index, {}).items()
            if start <= at < end
            for one in ones
        )
        return Function(
            name=symbol.name,
            section=section.name,
            code=bytes(code),
            references=tuple(sorted(references, key=lambda one: one.offset)),
            entries=tuple(one for _, one in inside),
            static=symbol.binding == STB_LOCAL,
            weak=symbol.binding == _STB_WEAK,
            aliases=tuple(other.name for other in here[1:]),
            start=start,
            align=0 if shared else section.align,
        )

    def _branches(
        self, section: Section, start: int, code: bytearray, known: list[Reference]
    ) -> list[Reference]:
        """Return calls and jumps to other functions of the section as references, and clear them in
        ``code``: the assembler has resolved them."""
        taken = {reference.offset for reference in known}
        found = []
        for offset, width, leads_to in branches(bytes(code), start):
            if offset in taken or start <= leads_to < start + len(code):
                continue
            code[offset : offset + width] = bytes(width)
            (kind, what, distance), symbol = self._inside(section, leads_to)
            target = (kind, what, distance - width)  # as a relocation counts
            relocation = R_PLT32 if width == 4 else R_PC8
            found.append(Reference(offset=offset, kind=relocation, target=target, symbol=symbol))
        return found

    def _data(self, section: Section, found: ObjectFile) -> None:
        writable = bool(section.flags & SHF_WRITE)
        symbols = [(at, s) for at, s in self.named.get(section.index, ()) if s.kind == STT_OBJECT]
        named = [(at, s) for at, s in symbols if s.size]
        several = sorted((self.names[s.name], s.size) for _, s in named) if len(named) > 1 else ()
        for at, symbol in named:
            of_function = bool(COUNTED.search(symbol.name))
            if of_function and not (writable and section.name.startswith(LIVING)):
                continue  # compared where the function refers to it
            references = self.references(section, at, at + symbol.size)
            name = self.names[symbol.name]
            found.data[name] = Data(
                name=name,
                section=section.name,
                key=self._canonical(section, at, at + symbol.size),
                size=symbol.size,
                references=tuple(references),
                writable=writable,
                static=symbol.binding == STB_LOCAL,
                align=min(section.align, at & -at or section.align),
                beside=tuple(several),
            )
        if not named and section.size:
            self._other(found, section)
        elif section.type != SHT_NOBITS:
            # The flags in .BTF_ids: include/linux/btf_ids.h (v6.1).
            spans = between([(at, at + symbol.size) for at, symbol in named], section.size)
            beside = [self._canonical(section, start, end) for start, end in spans]
            if any(references or any(content) for content, references in beside):
                self._other(found, section, tuple(beside))

    def _other(self, found: ObjectFile, section: Section, content: object = None) -> None:
        name = section.name
        while name in found.others:
            name += "+"
        found.others[name] = content or self._canonical(section, 0, section.size)

    def _canonical(self, section: Section, start: int, end: int) -> tuple[bytes, object]:
        """Return the bytes of a section and what they lead to."""
        if section.type == SHT_NOBITS:
            return b"", end - start
        content = bytearray(self.elf.content(section)[start:end])
        references = self.references(section, start, end)
        for reference in references:
            end_ = reference.offset + reference.width
            content[reference.offset : end_] = bytes(reference.width)
        return bytes(content), tuple((one.offset, one.kind, one.target) for one in references)

    def references(self, section: Section, start: int, end: int) -> list[Reference]:
        table = self.tables.get(section.index, [])
        first = bisect.bisect_left(table, (start, -1, -1, -1))
        found = []
        for offset, number, kind, addend in table[first:]:
            if offset >= end:
                break
            symbol = self.symbols[number]
            aside = self._aside(section, offset) if kind in PC_RELATIVE else 0
            target, name = self._target(symbol, addend, aside)
            place = (symbol.section, symbol.value + addend + aside)
            found.append(
                Reference(offset=offset - start, kind=kind, target=target, symbol=name, place=place)
            )
        return found

    def _target(self, symbol: ElfSymbol, addend: int, aside: int) -> tuple[Target, str]:
        if not SHN_UNDEF < symbol.section < SHN_LORESERVE:
            return ("symbol", symbol.name, addend), symbol.name
        section = self.elf.sections[symbol.section]
        at = symbol.value + addend + aside
        if section.flags & _SHF_MERGE:
            kind, what, _ = self._merged(section, symbol.value)
            past = at - symbol.value
            if symbol.kind != STT_SECTION and past >= len(what):
                return (kind, what, past), ""  # its end, where another one begins
            return self._merged(section, at), ""
        if symbol.kind != STT_SECTION and not COUNTED.search(symbol.name):
            return ("symbol", self.names.get(symbol.name, symbol.name), addend), symbol.name
        target, name = self._inside(section, at)
        kind_, what, distance = target
        return (kind_, what, distance - aside if kind_ == "symbol" else distance), name

    def _aside(self, section: Section, offset: int) -> int:
        """Return the bytes from a relocation to the base of its displacement: the end of the
        instruction, if it is in one."""
        if not section.flags & SHF_EXECINSTR:
            return 0
        symbols = self.named.get(section.index, [])
        number = bisect.bisect_right(symbols, offset, key=lambda one: one[0]) - 1
        if number < 0 or symbols[number][1].kind != STT_FUNC:
            return 4
        start, symbol = symbols[number]
        key = (section.index, start)
        if key not in self._ends:
            code = self.elf.content(section)[start : start + symbol.size]
            self._ends[key] = ends(code)
        found = self._ends[key]
        at = bisect.bisect_right(found, offset - start)
        return found[at] - (offset - start) if at < len(found) else 4

    def _merged(self, section: Section, at: int) -> Target:
        content = self.elf.content(section)
        if section.flags & _SHF_STRINGS:
            width = re.search(r"\.str(\d+)\.", section.name)  # .rodata.str2.2: wide characters
            size = int(width[1]) if width else 1
            end = at
            while end < len(content) and any(content[end : end + size]):
                end += size
            # UBSAN's description of a place names the file as it was given to the compiler.
            return ("string", content[at : end + size].removeprefix(self._tree), 0)
        counted = re.search(r"\d+$", section.name)  # .rodata.cst16
        size = int(counted[0]) if counted else 8
        return ("constant", content[at : at + size], 0)

    def _inside(self, section: Section, at: int) -> tuple[Target, str]:
        """Return the target at that place of a section, and the name of its symbol."""
        if section.name in ALTERNATIVES:
            return ("code", repr(self._piece(section, at)), 0), ""
        if section.name in TABLES:
            # arch/x86/include/asm/bug.h (v7.0): WARN() passes its entry of __bug_table on.
            start = at - at % self._tables.entry_size(section)
            body = self.guarded(section, start, start + self._tables.entry_size(section))
            return ("content", repr(body), at - start), ""
        symbols = self.named.get(section.index, [])
        number = bisect.bisect_right(symbols, at, key=lambda one: one[0]) - 1
        if number < 0 and symbols:
            number = 0  # before the first: an array whose lowest index is above 0
        if number < 0:
            return ("content", repr(self.guarded(section, 0, section.size)), at), ""
        start, symbol = symbols[number]
        while number and symbols[number - 1][0] == start:
            start, symbol = symbols[number := number - 1]
        if symbol.kind == STT_OBJECT and not symbol.size:
            return ("symbol", "nothing", at - start), ""  # a lock's key without lockdep
        constant = not section.flags & (SHF_WRITE | SHF_EXECINSTR)
        if constant and COUNTED.search(symbol.name) and symbol.size:
            body = self.guarded(section, start, start + symbol.size)
            align = section.align if len(symbols) == 1 else 0
            return ("content", repr((body, align)), at - start), symbol.name
        return ("symbol", self.names[symbol.name], at - start), symbol.name

    def guarded(self, section: Section, start: int, end: int) -> object:
        """Return contents with their references, as bytes. In contents that refer to themselves,
        that reference is "itself"."""
        key = (section.index, start, end)
        if key in self._contents:
            return self._contents[key]
        self._contents[key] = b"itself"
        found = repr(self._canonical(section, start, end)).encode()
        self._contents[key] = found
        return found

    def _piece(self, section: Section, at: int) -> object:
        """Return replacement code of an alternative, from ``at`` to the start of the next one."""
        if section.index not in self._bounds:
            starts = {0, section.size}
            for index, table in self.tables.items():
                if self.elf.sections[index].name.startswith((".discard", ".orc")):
                    continue
                for _, number, kind, addend in table:
                    symbol = self.symbols[number]
                    if symbol.section == section.index:
                        starts.add(symbol.value + addend + (4 if kind in PC_RELATIVE else 0))
                        starts.add(symbol.value + addend)
            self._bounds[section.index] = sorted(starts)
        bounds = self._bounds[section.index]
        end = next((one for one in bounds if one > at + 4), section.size)
        return self.guarded(section, at, end)
