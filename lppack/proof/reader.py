# SPDX-License-Identifier: MIT
"""Read object files and modules as functions and data that can be compared."""

import bisect
import re
from collections import Counter
from collections.abc import Iterator, Mapping
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
    STT_SECTION,
    Elf,
    ElfSymbol,
    Section,
)
from lppack.kernel.errors import FactsError
from lppack.proof.branches import branches, ends
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

_SHF_MERGE, _SHF_STRINGS = 0x10, 0x20  # include/uapi/linux/elf.h has them not; elf(5)
_STT_OBJECT, _STT_FUNC = 1, 2
_NAMED = (0, _STT_OBJECT, _STT_FUNC, 6)  # of no type, and STT_TLS
_STB_WEAK = 2
#: Tables of what is patched or looked up at a place in the code, and sizes that their entries have
#: in one kernel or another: arch/x86/include/asm/{jump_label,bug,alternative,extable}.h.
_TABLES: Mapping[str, tuple[int, ...]] = {
    "__jump_table": (16,),
    "__bug_table": (12, 16, 10, 8),
    ".altinstructions": (14, 12),
    "__ex_table": (12,),
    ".smp_locks": (4,),
    ".parainstructions": (16,),
}
_ALTERNATIVES = (".altinstr_replacement", ".altinstr_aux")
#: Written by the assembler or for objtool, and not part of what runs.
_IGNORED = re.compile(
    r"\.discard\.|\.orc_|\.comment|\.note|\.eh_frame|__mcount_loc|\.return_sites"
    r"|__patchable_function_entries"
)
# gcc numbers what is static in a function, tables that it makes of a switch (CSWTCH), and string
# constants; include/linux/compiler-gcc.h: __UNIQUE_ID() counts all that a file has.
_COUNTED = re.compile(r"\.\d+$")
_UNIQUE = re.compile(r"(__UNIQUE_ID_\D*)\d+")

# Objects of the compiler's own, which no name leads to: what UBSAN says of a place (.Lubsan_data7),
# constants (.LC3). They are compared where a function refers to them.
_NAMELESS = re.compile(r"\.(data|rodata)(\.rel\.ro)?(\.local)?\.\.L")

# Where a variable that is static in a function has its first value; others are the compiler's and
# the kernel's own (.data.once, __dyndbg).
_WITH_A_VALUE = (".data.", ".data..read_mostly", ".data..ro_after_init")


def read_object(content: bytes, what: str, *, tree: str = "") -> ObjectFile:
    """Read an object file; names of files below ``tree`` are read as if relative to it.

    Raise FactsError: ``content`` is no object file.
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
            # Of several names at one place, the one that no compiler has made comes first.
            named.sort(key=lambda one: (one[0], not one[1].size, "." in one[1].name, one[1].name))
        self.names = self._plain_names()
        self._contents: dict[tuple[int, int, int], bytes] = {}
        self._bounds: dict[int, list[int]] = {}
        self._sizes: dict[int, int] = {}
        self._ends: dict[tuple[int, int], list[int]] = {}

    def read(self) -> ObjectFile:
        found = ObjectFile()
        entries = self._entries()
        for section in self.elf.sections:
            if not section.flags & SHF_ALLOC or _IGNORED.match(section.name):
                continue
            if section.flags & SHF_EXECINSTR and section.name not in _ALTERNATIVES:
                if section.size and not any(
                    s.kind == _STT_FUNC for _, s in self.named.get(section.index, ())
                ):
                    # Assembler at the top level, which gives no function its size.
                    self._other(found, section)
                for function in self._functions_in(section, entries):
                    found.functions[function.name] = function
            elif section.name in _TABLES or section.name in _ALTERNATIVES:
                continue
            elif not section.flags & _SHF_MERGE and not _NAMELESS.match(section.name):
                self._data(section, found)
        return found

    def called(self, name: str) -> list[Function]:
        """Functions of that name, in the order of the symbol table, without what tables say."""
        found = []
        for symbol in self.symbols:
            defined = SHN_UNDEF < symbol.section < SHN_LORESERVE
            if symbol.name == name and symbol.kind == _STT_FUNC and defined:
                section = self.elf.sections[symbol.section]
                found.append(self._function(section, symbol.value, {}, shared=True))
        return found

    @cached_property
    def places(self) -> dict[str, set[tuple[int, int]]]:
        """(section, offset) of what has a name, without what the compiler has counted in it."""
        found: dict[str, set[tuple[int, int]]] = {}
        for symbol in self.symbols:
            if symbol.name and SHN_UNDEF < symbol.section < SHN_LORESERVE:
                plain = self.names[symbol.name].partition("#")[0]
                found.setdefault(plain, set()).add((symbol.section, symbol.value))
        return found

    def _functions_in(self, section: Section, entries: Entries) -> Iterator[Function]:
        starts = {at for at, s in self.named.get(section.index, ()) if s.kind == _STT_FUNC}
        for start in sorted(starts):
            yield self._function(section, start, entries, shared=len(starts) > 1)

    def _function(
        self, section: Section, start: int, entries: Entries, *, shared: bool
    ) -> Function:
        """Return the function there; ``shared``: others are in its section."""
        named = self.named[section.index]
        first = bisect.bisect_left(named, start, key=lambda one: one[0])
        here = []
        for at, symbol in named[first:]:
            if at != start:
                break
            if symbol.kind == _STT_FUNC:
                here.append(symbol)
        symbol = here[0]
        end = start + symbol.size
        code = bytearray(self.elf.content(section)[start:end])
        references = self._references(section, start, end)
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
        )

    def _branches(
        self, section: Section, start: int, code: bytearray, known: list[Reference]
    ) -> list[Reference]:
        """Return calls and jumps to others of the section, which the assembler has resolved."""
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
        symbols = [(at, s) for at, s in self.named.get(section.index, ()) if s.kind == _STT_OBJECT]
        named = [(at, s) for at, s in symbols if s.size]
        for at, symbol in named:
            of_function = bool(_COUNTED.search(symbol.name))
            if of_function and not (writable and section.name.startswith(_WITH_A_VALUE)):
                continue  # compared where the function refers to it
            references = self._references(section, at, at + symbol.size)
            name = self.names[symbol.name]
            found.data[name] = Data(
                name=name,
                section=section.name,
                key=self._canonical(section, at, at + symbol.size),
                size=symbol.size,
                references=tuple(references),
                writable=writable,
                static=symbol.binding == STB_LOCAL,
            )
        if not named and section.size:
            self._other(found, section)

    def _other(self, found: ObjectFile, section: Section) -> None:
        name = section.name
        while name in found.others:
            name += "+"
        found.others[name] = self._canonical(section, 0, section.size)

    def _canonical(self, section: Section, start: int, end: int) -> tuple[object, ...]:
        """Return the bytes of a section and what they lead to."""
        if section.type == SHT_NOBITS:
            return ("zero", end - start)
        content = bytearray(self.elf.content(section)[start:end])
        references = self._references(section, start, end)
        for reference in references:
            end_ = reference.offset + reference.width
            content[reference.offset : end_] = bytes(reference.width)
        return bytes(content), tuple((one.offset, one.kind, one.target) for one in references)

    def _references(self, section: Section, start: int, end: int) -> list[Reference]:
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
                return (kind, what, past), ""  # its end, which is where another begins
            return self._merged(section, at), ""
        if symbol.kind != STT_SECTION and not _COUNTED.search(symbol.name):
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
        if number < 0 or symbols[number][1].kind != _STT_FUNC:
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
            # What UBSAN says of a place names the file as the compiler was given it.
            return ("string", content[at : end + size].removeprefix(self._tree), 0)
        counted = re.search(r"\d+$", section.name)  # .rodata.cst16
        size = int(counted[0]) if counted else 8
        return ("constant", content[at : at + size], 0)

    def _inside(self, section: Section, at: int) -> tuple[Target, str]:
        """Return what stands at that place of a section."""
        if section.name in _ALTERNATIVES:
            return ("code", repr(self._piece(section, at)), 0), ""
        if section.name in _TABLES:
            # arch/x86/include/asm/bug.h (v7.0): WARN() passes its entry of __bug_table on.
            start = at - at % self._entry_size(section)
            body = self._guarded(section, start, start + self._entry_size(section))
            return ("content", repr(body), at - start), ""
        symbols = self.named.get(section.index, [])
        number = bisect.bisect_right(symbols, at, key=lambda one: one[0]) - 1
        if number < 0 and symbols:
            number = 0  # a little before the first: the index of an array begins above 0
        if number < 0:
            return ("content", repr(self._anonymous(section)), at), ""
        start, symbol = symbols[number]
        while number and symbols[number - 1][0] == start:
            start, symbol = symbols[number := number - 1]
        if symbol.kind == _STT_OBJECT and not symbol.size:
            return ("symbol", "nothing", at - start), ""  # a lock's key without lockdep
        constant = not section.flags & (SHF_WRITE | SHF_EXECINSTR)
        if constant and _COUNTED.search(symbol.name) and symbol.size:
            body = self._guarded(section, start, start + symbol.size)
            return ("content", repr(body), at - start), symbol.name
        return ("symbol", self.names[symbol.name], at - start), symbol.name

    def _anonymous(self, section: Section) -> object:
        return self._guarded(section, 0, section.size)

    def _guarded(self, section: Section, start: int, end: int) -> object:
        """Read contents, which may refer to themselves."""
        key = (section.index, start, end)
        if key in self._contents:
            return self._contents[key]
        self._contents[key] = b"itself"
        found = repr(self._canonical(section, start, end)).encode()
        self._contents[key] = found
        return found

    def _piece(self, section: Section, at: int) -> object:
        """Code that takes the place of other code: from there to where the next begins."""
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
        return self._guarded(section, at, end)

    def _entries(self) -> Entries:
        """Section of code -> offset -> what tables say of it."""
        found: Entries = {}
        for section in self.elf.sections:
            if section.name not in _TABLES or not section.size:
                continue
            table = self.tables.get(section.index, [])
            content = self.elf.content(section)
            size = self._entry_size(section)
            for start in range(0, section.size, size):
                first = bisect.bisect_left(table, (start, -1, -1, -1))
                offset, number, kind, addend = table[first]
                symbol = self.symbols[number]
                here = found.setdefault(symbol.section, {})
                data = bytearray(content[start : start + size])
                references = self._references(section, start, start + size)
                if section.name == ".altinstructions":
                    references = self._replacement(references, section, start, data[-1])
                for one in references:
                    data[one.offset : one.offset + 4] = bytes(4)
                here.setdefault(symbol.value + addend, []).append(
                    (section.name, bytes(data), tuple(references))
                )
        return found

    def _entry_size(self, section: Section) -> int:
        """Return the entry size at which every entry begins with a relocation."""
        if section.index not in self._sizes:
            starts = {offset for offset, *_ in self.tables.get(section.index, [])}
            for size in _TABLES[section.name]:
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
            raw = next(r for r in self.tables[section.index] if r[0] == start + one.offset)
            symbol = self.symbols[raw[1]]
            to = self.elf.sections[symbol.section] if symbol.section < SHN_LORESERVE else None
            if to is not None and to.name == ".altinstr_replacement":
                at = symbol.value + raw[3]
                body = self._guarded(to, at, at + length) if length else b""
                found.append(
                    Reference(offset=one.offset, kind=one.kind, target=("code", repr(body), 0))
                )
            else:
                found.append(one)
        return found

    def _plain_names(self) -> dict[str, str]:
        """Symbol -> its name without what was counted; with its place among those of one name."""
        seen: Counter[str] = Counter()
        plain: dict[str, str] = {}
        for symbol in self.symbols:
            name = symbol.name
            if not name or name in plain:
                continue
            if symbol.kind == _STT_FUNC:
                plain[name] = _UNIQUE.sub(r"\1", name)
                continue
            base = _UNIQUE.sub(r"\1", _COUNTED.sub("", name))
            if base == name:
                plain[name] = name
                continue
            plain[name] = f"{base}#{seen[base]}"
            seen[base] += 1
        return plain
