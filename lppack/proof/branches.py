# SPDX-License-Identifier: MIT
"""Find calls and jumps in x86-64 code."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import capstone


def branches(code: bytes, address: int) -> Iterator[tuple[int, int, int]]:
    """Yield (offset of the displacement, its width in bytes, target address) of each branch."""
    for start, size, mnemonic, _ in _decoder().disasm_lite(code, address):
        # jcc and jmp with one byte of distance; call and jmp with four; jcc with four.
        if mnemonic == _DATA:
            continue  # a byte of no instruction
        at = start - address
        raw = code[at : at + size]
        first = next((n for n, byte in enumerate(raw) if byte not in _PREFIXES), 0)
        opcode = raw[first]
        if 0x70 <= opcode <= 0x7F or opcode == 0xEB or 0xE0 <= opcode <= 0xE3:
            width = 1
        elif opcode in (0xE8, 0xE9) or (opcode == 0x0F and raw[first + 1 : first + 2] in _NEAR):
            width = 4
        else:
            continue
        distance = int.from_bytes(raw[-width:], "little", signed=True)
        end = at + len(raw)
        yield end - width, width, address + end + distance


def ends(code: bytes) -> list[int]:
    """Return the offset at which each instruction ends, ascending."""
    return [start + size for start, size, _, _ in _decoder().disasm_lite(code, 0)]


def nops(code: bytes) -> dict[int, int]:
    """Map the start of each NOP to its end, ascending."""
    found = _decoder().disasm_lite(code, 0)
    return {at: at + size for at, size, mnemonic, _ in found if mnemonic == "nop"}


_NEAR = frozenset(bytes([opcode]) for opcode in range(0x80, 0x90))  # jcc, behind 0x0F
_DATA = ".byte"  # capstone's name for what it skips
_PREFIXES = frozenset((0x2E, 0x3E, 0x64, 0x65, 0x66, 0xF2, 0xF3))


@cache
def _decoder() -> "capstone.Cs":
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.skipdata = True
    return decoder
