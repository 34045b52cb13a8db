# SPDX-License-Identifier: MIT
"""A relocatable x86-64 file as parts that can be changed, and written out again.

Sections and symbols keep their numbers, because new ones go to the end of their table. pyelftools
has no writer; LIEF cannot add a section to such a file, and objcopy cannot name a relocation
section.
"""

import struct
from dataclasses import dataclass

from lppack import abi
from lppack.errors import LppackError

_IDENT = b"\x7fELF\x02\x01\x01"  # ELFCLASS64, ELFDATA2LSB, EV_CURRENT
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_ET_REL, _EM_X86_64 = 1, 62
_SHT_SYMTAB, _SHT_NOBITS = 2, 8
#: Twice KSYM_NAME_LEN: include/linux/kallsyms.h (v6.1).
_LONGEST_NAME = 1024


class NotRewritable(LppackError):
    """The file cannot be rewritten by this module. It was left unchanged."""

    exit_code = 5
    kind = "not-rewritable"


@dataclass(slots=True, kw_only=True)
class ElfSection:
    name: str
    name_at: int  # in .shstrtab
    type: int
    flags: int
    address: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int
    data: bytes  # empty where the section takes no room in the file


@dataclass(slots=True, kw_only=True)
class SymbolEntry:
    name: str
    name_at: int  # in .strtab
    info: int  # type, and binding << 4
    other: int
    section: int  # index, or one of the SHN_ values
    value: int
    size: int


@dataclass(frozen=True, slots=True)
class Relocation:
    offset: int  # in the section that it changes
    symbol: int  # index
    type: int
    addend: int


class Relocatable:
    """The parts of a file. Raise NotRewritable if it is damaged, or no relocatable x86-64 file."""

    def __init__(self, data: bytes) -> None:
        try:
            self._read(data)
        except (struct.error, IndexError, OverflowError, UnicodeDecodeError) as error:
            raise NotRewritable(f"is damaged: {error}") from None

    def _read(self, data: bytes) -> None:
        header = _HEADER.unpack_from(data)
        if not header[0].startswith(_IDENT) or header[1:3] != (_ET_REL, _EM_X86_64):
            raise NotRewritable("is not a relocatable x86-64 file")
        table, count, names = header[6], header[12], header[13]
        raw = [_SECTION.unpack_from(data, table + _SECTION.size * n) for n in range(count)]
        # Sections that overlap would take more memory than the file.
        if sum(entry[5] for entry in raw if entry[1] != _SHT_NOBITS) > len(data):
            raise NotRewritable(f"has sections that are together longer than its {len(data)} bytes")
        texts = data[raw[names][4] : raw[names][4] + raw[names][5]]
        self._header = header
        self.sections = [
            ElfSection(
                name=_text(texts, entry[0]),
                name_at=entry[0],
                type=entry[1],
                flags=entry[2],
                address=entry[3],
                size=entry[5],
                link=entry[6],
                info=entry[7],
                align=entry[8],
                entry_size=entry[9],
                data=b"" if entry[1] == _SHT_NOBITS else data[entry[4] : entry[4] + entry[5]],
            )
            for entry in raw
        ]
        for section in self.sections:
            if section.type != _SHT_NOBITS and len(section.data) != section.size:
                raise NotRewritable(f"is cut short in section {section.name}")
        tables = [n for n, section in enumerate(self.sections) if section.type == _SHT_SYMTAB]
        if len(tables) != 1:
            raise NotRewritable(f"has {len(tables)} symbol tables")
        self.symtab = tables[0]
        strings = self.sections[self.sections[self.symtab].link].data
        self.symbols = [
            SymbolEntry(
                name=_text(strings, name),
                name_at=name,
                info=info,
                other=other,
                section=section,
                value=value,
                size=size,
            )
            for name, info, other, section, value, size in _SYMBOL.iter_unpack(
                self.sections[self.symtab].data
            )
        ]

    def relocations(self, section: ElfSection) -> list[Relocation]:
        """Return the entries of an SHT_RELA section.

        Raise NotRewritable if a symbol is not in the table, or an entry is cut off.
        """
        if len(section.data) % _RELOCATION.size:
            raise NotRewritable(f"{section.name} ends within an entry")
        found = [
            Relocation(offset, info >> 32, info & 0xFFFFFFFF, addend)
            for offset, info, addend in _RELOCATION.iter_unpack(section.data)
        ]
        if any(entry.symbol >= len(self.symbols) for entry in found):
            raise NotRewritable(f"{section.name} names a symbol that is not in the table")
        return found

    def target(self, section: ElfSection) -> ElfSection:
        """Return the section that an SHT_RELA section changes. Raise NotRewritable if none."""
        if not 0 < section.info < len(self.sections):
            raise NotRewritable(f"{section.name} is for a section that does not exist")
        return self.sections[section.info]

    def set_relocations(self, section: ElfSection, entries: list[Relocation]) -> None:
        section.data = b"".join(
            _RELOCATION.pack(e.offset, e.symbol << 32 | e.type, e.addend) for e in entries
        )
        section.size = len(section.data)

    def rename(self, symbol: SymbolEntry, name: str) -> None:
        """Rename a symbol; its old name stays in .strtab, because other symbols may share it."""
        strings = self.sections[self.sections[self.symtab].link]
        symbol.name, symbol.name_at = name, strings.size
        _append(strings, name)

    def add_relocations(
        self, name: str, target: int, flags: int, entries: list[Relocation]
    ) -> None:
        """Append an SHT_RELA section for the section with index ``target``."""
        names = self.sections[self._header[13]]
        made = ElfSection(
            name=name,
            name_at=names.size,
            type=abi.SHT_RELA,
            flags=flags,
            address=0,
            size=0,
            link=self.symtab,
            info=target,
            align=8,
            entry_size=_RELOCATION.size,
            data=b"",
        )
        _append(names, name)
        self.set_relocations(made, entries)
        self.sections.append(made)

    def to_bytes(self) -> bytes:
        """Return the file; the same parts give the same bytes."""
        table = self.sections[self.symtab]
        table.data = b"".join(
            _SYMBOL.pack(s.name_at, s.info, s.other, s.section, s.value, s.size)
            for s in self.symbols
        )
        if len(self.sections) >= abi.SHN_LORESERVE:
            raise NotRewritable(f"has {len(self.sections)} sections, more than a file can")
        body, headers = bytearray(_HEADER.size), b""
        for section in self.sections:
            body += bytes(-len(body) % max(section.align, 1))
            headers += _SECTION.pack(
                section.name_at,
                section.type,
                section.flags,
                section.address,
                len(body) if section.type else 0,
                section.size,
                section.link,
                section.info,
                section.align,
                section.entry_size,
            )
            body += section.data
        body += bytes(-len(body) % 8)
        header = list(self._header)
        header[6], header[12] = len(body), len(self.sections)
        _HEADER.pack_into(body, 0, *header)
        return bytes(body + headers)


def _text(table: bytes, at: int) -> str:
    end = table.find(b"\0", at, at + _LONGEST_NAME + 1)
    if end < 0 and len(table) - at > _LONGEST_NAME:
        raise NotRewritable(f"has a name of more than {_LONGEST_NAME} bytes")
    name = table[at : end if end >= 0 else None].decode("ascii")
    if not name.isprintable():
        raise NotRewritable("has a name with a control character")
    return name


def _append(table: ElfSection, text: str) -> None:
    table.data += text.encode("ascii") + b"\0"
    table.size = len(table.data)
