# SPDX-License-Identifier: MIT
"""Whether the code of a function in a module names another: by its relocations, and by the
distances in it that the assembler has filled in, as it does within a section.

A caller by its source whose code does not name the function has a copy of it.
"""

from lppack.kernel.elf64 import Elf
from lppack.kernel.symbols import Symbol

# arch/x86/include/asm/elf.h (v6.1): R_X86_64_PC32, R_X86_64_PLT32: counted from their end.
_FROM_THE_END = (2, 4)
_WORD = 4


def names(elf: Elf, code: Symbol, target: Symbol) -> bool:
    """Whether a branch, a call or a pointer in ``code`` goes to the start of ``target``."""
    return _distances(elf, code, target) or _relocations(elf, code, target)


def _distances(elf: Elf, code: Symbol, target: Symbol) -> bool:
    if code.section is None or code.section != target.section:
        return False
    text = elf.content(elf.sections[code.section])[code.address :][: code.size or 0]
    return any(
        code.address + at + _WORD + int.from_bytes(text[at : at + _WORD], "little", signed=True)
        == target.address
        for at in range(len(text) - _WORD + 1)
    )


def _relocations(elf: Elf, code: Symbol, target: Symbol) -> bool:
    assert code.section is not None
    table, end = elf.symbols(), code.address + (code.size or 0)
    for offset, number, kind, addend in elf.relocations(elf.sections[code.section]):
        if code.address <= offset < end and number < len(table):
            symbol = table[number]
            at = symbol.value + addend + (_WORD if kind in _FROM_THE_END else 0)
            if (symbol.section, at) == (target.section, target.address):
                return True
    return False
