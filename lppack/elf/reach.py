# SPDX-License-Identifier: MIT
"""Which symbols code can get to, by the relocations of a module before it is converted.

The author's files are compiled with a section for each function and each variable
(-ffunction-sections -fdata-sections), so that a section stands for what the compiler put there, and
every way out of it is a relocation. Generated code has plain sections, and is not followed.
"""

from collections.abc import Collection, Iterator, Mapping

from lppack import abi
from lppack.elf.rewrite import Relocatable

_APART = (".text.", ".data.", ".rodata.", ".bss.")


def uses(
    data: bytes, roots: Collection[str], of_interest: Collection[str]
) -> Mapping[str, tuple[str, ...]]:
    """For each function of ``roots`` the symbols of interest that it, or what it calls or points
    to, names. Raise NotRewritable."""
    file = Relocatable(data)
    edges = _edges(file, frozenset(of_interest))
    home = {symbol.name: symbol.section for symbol in file.symbols}
    return {root: _reached(home[root], edges) for root in roots if root in home}


def _edges(file: Relocatable, of_interest: frozenset[str]) -> dict[int, set[int | str]]:
    """Section -> sections, and symbols of interest, that its relocations name."""
    made: dict[int, set[int | str]] = {}
    for table in file.sections:
        if table.type != abi.SHT_RELA:
            continue
        out = made.setdefault(table.info, set())
        for entry in file.relocations(table):
            symbol = file.symbols[entry.symbol]
            if symbol.name in of_interest:
                out.add(symbol.name)
            elif symbol.section < len(file.sections) and (
                file.sections[symbol.section].name.startswith(_APART)
            ):
                out.add(symbol.section)
    return made


def _reached(start: int, edges: Mapping[int, set[int | str]]) -> tuple[str, ...]:
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
