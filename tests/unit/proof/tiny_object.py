# SPDX-License-Identifier: MIT
"""Builds small object files in memory, as the compiler and the assembler would."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.kit.fake_image import Part, elf

# arch/x86/include/asm/elf.h (v6.1)
R_64, R_PC32, R_PLT32, R_32S, R_PC64 = 1, 2, 4, 11, 24

NOTYPE, OBJECT, FUNC = 0, 1, 2
LOCAL, GLOBAL, WEAK = 0, 1, 2

_WRITE, _ALLOC, _EXEC, _MERGE, _STRINGS = 1, 2, 4, 0x10, 0x20
_FLAGS = {
    ".text": _ALLOC | _EXEC,
    ".init.text": _ALLOC | _EXEC,
    ".altinstr_replacement": _ALLOC | _EXEC,
    ".rodata.str": _ALLOC | _MERGE | _STRINGS,
    ".rodata.cst": _ALLOC | _MERGE,
    ".data": _ALLOC | _WRITE,
    ".bss": _ALLOC | _WRITE,
    "__jump_table": _ALLOC | _WRITE,
    ".discard": 0,
}

#: (offset, symbol or section, type, addend)
Reloc = tuple[int, str, int, int]


@dataclass(frozen=True)
class Sect:
    """One section with its relocations."""

    name: str
    content: bytes
    relocs: Sequence[Reloc] = ()
    align: int = 8

    @property
    def flags(self) -> int:
        return next((f for name, f in _FLAGS.items() if self.name.startswith(name)), _ALLOC)


@dataclass(frozen=True)
class Sym:
    """One symbol; ``section`` "" is an undefined one."""

    name: str
    section: str = ""
    size: int = 0
    value: int = 0
    kind: int = FUNC
    binding: int = GLOBAL


def build(sections: Sequence[Sect], symbols: Sequence[Sym]) -> bytes:
    """A relocatable file; what a relocation names and nothing defines is undefined."""
    place = {sect.name: at for at, sect in enumerate(sections, 1)}
    known = {*place, *(symbol.name for symbol in symbols)}
    named = dict.fromkeys(name for sect in sections for _, name, _, _ in sect.relocs)
    every = [*symbols, *(Sym(name, kind=NOTYPE) for name in named if name not in known)]
    strings, table, numbers = b"\0", bytes(24), {}
    for number, name in enumerate(place, 1):
        numbers[name] = number
        table += struct.pack("<IBBHQQ", 0, 3, 0, place[name], 0, 0)
    for number, one in enumerate(every, len(place) + 1):
        numbers.setdefault(one.name, number)
        home = place[one.section] if one.section else 0
        info = one.binding << 4 | one.kind
        table += struct.pack("<IBBHQQ", len(strings), info, 0, home, one.value, one.size)
        strings += one.name.encode() + b"\0"
    symtab = len(sections) + 1
    parts = [
        Part(
            name=sect.name,
            content=sect.content,
            kind=8 if sect.name.startswith(".bss") else 1,
            flags=sect.flags,
            align=sect.align,
        )
        for sect in sections
    ]
    parts.append(Part(name=".symtab", content=table, kind=2, flags=0, link=symtab + 1))
    parts.append(Part(name=".strtab", content=strings, kind=3, flags=0))
    for sect in sections:
        content = b"".join(
            struct.pack("<QQq", offset, numbers[name] << 32 | kind, addend)
            for offset, name, kind, addend in sect.relocs
        )
        if content:
            label = f".rela{sect.name}"
            info = place[sect.name]
            parts.append(Part(name=label, content=content, kind=4, flags=0, link=symtab, info=info))
    return elf(parts, relocatable=True)


FENTRY = b"\xe8\0\0\0\0"
CALL = b"\xe8\0\0\0\0"
JUMP = b"\xe9\0\0\0\0"
MOV_DI = b"\x48\xc7\xc7\0\0\0\0"  # mov $imm32, %rdi
LEA_DI = b"\x48\x8d\x3d\0\0\0\0"  # lea rel32(%rip), %rdi
RET = b"\xc3"
