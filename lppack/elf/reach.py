# SPDX-License-Identifier: MIT
"""Which symbols code can reach, by the relocations of a module that is not converted yet.

The author's files are compiled with a section for each function and each variable
(-ffunction-sections -fdata-sections), so every reference out of a function is a relocation. If two
files have a static function of one name, the linker puts both into one section: each of them
extends from its symbol to the next one. Generated code has plain sections, and is not followed.
"""

import bisect
from collections.abc import Collection, Iterator, Mapping

from lppack import abi
from lppack.elf.rewrite import Relocatable, SymbolEntry

_APART = (".text.", ".data.", ".rodata.", ".bss.")
_STT_SECTION = 3
_PC_RELATIVE = (2, 4)  # R_X86_64_PC32, R_X86_64_PLT32: relative to the end of their four bytes
#: A function or variable: its section, and where it begins there.
Place = tuple[int, int]


def uses(
    data: bytes, roots: Collection[str], of_interest: Collection[str]
) -> Mapping[str, tuple[str, ...]]:
    """Return, for each function of ``roots``, the symbols of interest that it reaches.

    It reaches what its relocations name, and what the functions and variables that they name reach.
    Raise NotRewritable if the file cannot be read.
    """
    file = Relocatable(data)
    places = _Places(file)
    edges = _edges(file, places, frozenset(of_interest))
    home = {symbol.name: places.of(symbol.section, symbol.value) for symbol in file.symbols}
    return {root: _reached(home[root], edges) for root in roots if root in home}


class _Places:
    """Where the functions and variables of each section begin."""

    def __init__(self, file: Relocatable) -> None:
        self._starts: dict[int, list[int]] = {}
        for symbol in file.symbols:
            if symbol.size and symbol.info & 15 < _STT_SECTION:  # skips labels in functions
                self._starts.setdefault(symbol.section, []).append(symbol.value)
        for starts in self._starts.values():
            starts.sort()

    def of(self, section: int, at: int) -> Place:
        starts = self._starts.get(section, [0])
        return section, starts[max(0, bisect.bisect_right(starts, at) - 1)]

    def led_to(self, symbol: SymbolEntry, kind: int, addend: int) -> Place:
        aside = addend + 4 * (kind in _PC_RELATIVE) if symbol.info & 15 == _STT_SECTION else 0
        return self.of(symbol.section, symbol.value + aside)


def _edges(
    file: Relocatable, places: _Places, of_interest: frozenset[str]
) -> dict[Place, set[Place | str]]:
    """Return place -> the places and the symbols of interest that its relocations name."""
    made: dict[Place, set[Place | str]] = {}
    for table in file.sections:
        if table.type != abi.SHT_RELA:
            continue
        for entry in file.relocations(table):
            out = made.setdefault(places.of(table.info, entry.offset), set())
            symbol = file.symbols[entry.symbol]
            if symbol.name in of_interest:
                out.add(symbol.name)
            elif symbol.section < len(file.sections) and (
                file.sections[symbol.section].name.startswith(_APART)
            ):
                out.add(places.led_to(symbol, entry.type, entry.addend))
    return made


def _reached(start: Place, edges: Mapping[Place, set[Place | str]]) -> tuple[str, ...]:
    def walk() -> Iterator[str]:
        seen, todo = {start}, [start]
        while todo:
            for step in edges.get(todo.pop(), ()):
                if isinstance(step, str):
                    yield step
                elif step not in seen:
                    seen.add(step)
                    todo.append(step)

    return tuple(sorted(set(walk())))
