# SPDX-License-Identifier: MIT
"""Lay out a compiled function as the kernel's assembler and linker did.

In a section of its own a function is aligned differently, and its calls are relocations. In the
kernel, loops that gcc 14 aligns have other padding before them, which makes jumps shorter or
longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from lppack.proof.branches import branches, ends, nops
from lppack.proof.objects import PC_RELATIVE, R_PC8, Function, Reference

#: Offset in the function as compiled -> offset in the kernel's.
Moved = Mapping[int, int]
_ALIGNMENTS = (64, 32, 16)  # of a loop, by its size
_JUMP, _SHORT_JUMP = 0xE9, 0xEB


def laid_out(function: Function, kernels: bytes, address: int) -> tuple[Function, Moved]:
    """Return ``function`` as laid out at ``address``, and where each of its bytes went; empty if
    none moved.

    ``kernels``: the kernel's bytes there. Only padding and the length of jumps are taken from them.
    """
    layout = _Layout(function, kernels, address)
    layout.walk()
    if all(at == to for at, to in layout.moved.items()):
        return function, {}
    there = moved_targets(function, {function.name: layout.moved})
    references = tuple(
        layout.shortened.get(one.offset) or replace(one, offset=layout.moved[one.offset])
        for one in there.references
    )
    return replace(there, code=bytes(layout.code), references=references), layout.moved


def moved_targets(function: Function, places: Mapping[str, Moved]) -> Function:
    """Return ``function`` with its references adjusted that lead into functions of ``places``."""
    entries = tuple(
        (name, data, tuple(_moved(one, places, 0) for one in ones))
        for name, data, ones in function.entries
    )
    references = tuple(
        _moved(one, places, one.width if one.kind in PC_RELATIVE else 0)
        for one in function.references
    )
    return replace(function, entries=entries, references=references)


def _moved(one: Reference, places: Mapping[str, Moved], aside: int) -> Reference:
    """Adjust a reference; ``aside``: bytes from the relocation to the end of its instruction."""
    kind, what, distance = one.target
    moved = places.get(what) if kind == "symbol" and isinstance(what, str) else None
    if not moved or distance + aside not in moved:
        return one
    return replace(one, target=(kind, what, moved[distance + aside] - aside))


@dataclass
class _Layout:
    """A walk over a function's instructions, beside the kernel's code."""

    function: Function
    kernels: bytes
    address: int  # of the kernel's
    code: bytearray = field(default_factory=bytearray)
    moved: dict[int, int] = field(default_factory=dict)
    #: Offset as compiled -> the reference of a jump that is shorter in the kernel.
    shortened: dict[int, Reference] = field(default_factory=dict)

    def walk(self) -> None:
        own = self.function.code
        named = {one.offset: one for one in self.function.references}
        inner = {at + width: to for at, width, to in branches(own, 0) if at not in named}
        jumps: list[tuple[int, int, int]] = []  # where it ends, bytes of its distance, target
        padding = self._padding()
        padded = 0
        for start, end in pairwise((0, *ends(own))):
            if start < padded:
                continue
            if start in padding and self._fill(start):
                padded = padding[start]
                self.moved.update(dict.fromkeys(range(start + 1, padded), self.moved[start]))
                continue
            if start and self._is_aligned(start):
                self._fill(start)  # as compiled, it was aligned without any padding
            self.moved.update({at: len(self.code) + at - start for at in range(start, end)})
            text = own[start:end]
            one = named.get(end - 4)
            to = inner.get(end)
            if one is not None and text[0] == _JUMP and self._there() == _SHORT_JUMP:
                kind, what, distance = one.target
                self.shortened[one.offset] = Reference(
                    offset=len(self.code) + 1, kind=R_PC8, target=(kind, what, distance + 3)
                )
                text = bytes([_SHORT_JUMP, 0])
            elif to is not None:
                text, width = self._long_as_there(text)
                jumps.append((len(self.code) + len(text), width, to))
            self.code += text
        self.moved[len(own)] = len(self.code)
        for at, width, to in jumps:
            distance = self.moved.get(to, 0) - at
            if -(1 << (8 * width - 1)) <= distance < 1 << (8 * width - 1):
                self.code[at - width : at] = distance.to_bytes(width, "little", signed=True)

    def _there(self, ahead: int = 0) -> int:
        """Return the kernel's byte where the next instruction is put."""
        at = len(self.code) + ahead
        return self.kernels[at] if at < len(self.kernels) else -1

    def _long_as_there(self, text: bytes) -> tuple[bytes, int]:
        """Return a jump within the function with as many bytes of distance as the kernel's has."""
        there, next_ = self._there(), self._there(1)
        short = text[0] == _SHORT_JUMP or text[0] >> 4 == 0x7
        if text[0] == _JUMP and there == _SHORT_JUMP:
            return bytes([there, 0]), 1
        if text[0] == _SHORT_JUMP and there == _JUMP:
            return bytes([there, 0, 0, 0, 0]), 4
        if text[0] == 0x0F and there == text[1] - 0x10:
            return bytes([there, 0]), 1
        if text[0] >> 4 == 0x7 and (there, next_) == (0x0F, text[0] + 0x10):
            return bytes([there, next_, 0, 0, 0, 0]), 4
        return text, 1 if short else 4

    def _is_aligned(self, at: int) -> bool:
        return (self.function.start + at) % min(_ALIGNMENTS) == 0

    def _padding(self) -> dict[int, int]:
        """Map begin to end of each run of NOPs that may be padding for what follows."""
        found = nops(self.function.code)
        for table, _, references in self.function.entries:
            if table == "__jump_table":
                found.pop(references[0].target[2], None)  # a branch of a static key
        runs: dict[int, int] = {}
        begin = last = -1
        for start, end in found.items():
            begin = begin if start == last else start
            runs[begin] = last = end
        return {start: end for start, end in runs.items() if self._is_aligned(end)}

    def _fill(self, start: int) -> bool:
        """Copy the kernel's padding. Return False if the kernel has no padding here."""
        at = len(self.code)
        for alignment in _ALIGNMENTS:
            text = self.kernels[at : at + -(self.address + at) % alignment]
            if sum(end - begin for begin, end in nops(text).items()) == len(text):
                self.moved[start] = at
                self.code += text
                return True
        return False
