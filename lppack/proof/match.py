# SPDX-License-Identifier: MIT
"""Source against the running kernel: is what was compiled from the unchanged sources what the
kernel's own vmlinux or module has? Ksplice called it run-pre matching.

A match proves that sources, configuration and compiler are those of the kernel, and tells which of
several functions of one name is the one of a file.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.facts import Facts, Symbol
from lppack.kernel.modules import open_module
from lppack.proof.branches import branches, ends
from lppack.proof.objects import (
    PC_RELATIVE,
    R_32,
    R_PC8,
    Function,
    Reference,
)
from lppack.proof.reader import ObjectReader

# arch/x86/include/asm/jump_label.h (v6.1): JUMP_LABEL_NOP_SIZE follows from the instruction.
_JUMPS = {0xEB: 2, 0xE9: 5, 0x0F: 5, 0x66: 2}
_CALL = 5  # bytes of a call, and of the NOP in its place


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """One function of an object file, and the kernel's symbol with the same code."""

    name: str
    symbol: Symbol | None  # the kernel's, if its code is the same
    why: str = ""  # it does not match; "" it does
    expected: bool = False  # that it does not match: a weak function, of which there is another
    leads: Mapping[str, int] = field(default_factory=dict)  # symbol -> address that it refers to


class KernelCode(Protocol):
    """The code of vmlinux or of one module."""

    def match(self, functions: Iterable[Function]) -> dict[str, Matched]:
        """By name of the function."""


class VmlinuxCode:
    """The code of vmlinux."""

    def __init__(self, facts: Facts, vmlinux: Elf) -> None:
        self._facts = facts
        self._elf = vmlinux

    def match(self, functions: Iterable[Function]) -> dict[str, Matched]:
        found: dict[str, Matched] = {}
        several: dict[str, list[Symbol]] = {}
        for function in functions:
            copies = self._facts.copies(function.name)
            whys = {copy: self._differs(function, copy) for copy in copies}
            same = [copy for copy, why in whys.items() if why is None]
            if len(same) == 1:
                leads = dict(self._leads(function, same[0]))
                found[function.name] = Matched(name=function.name, symbol=same[0], leads=leads)
            elif same:
                several[function.name] = same
            else:
                why = next(iter(whys.values()), None) or "the kernel has no symbol of it"
                if function.weak:
                    why = "it is weak, and another file has the one that is used"
                found[function.name] = Matched(
                    name=function.name, symbol=None, why=why, expected=function.weak
                )
        return found | dict(_nearest(found, several))

    def _leads(self, function: Function, symbol: Symbol) -> Iterator[tuple[str, int]]:
        """Yield (symbol, address) of each reference, as the kernel's code has it."""
        function = _as_linked(function, self._elf.at(symbol.address, len(function.code)))
        raw = self._elf.at(symbol.address, len(function.code))
        for one in function.references:
            kind, what, distance = one.target
            if kind == "symbol" and isinstance(what, str) and what != "__fentry__":
                field_ = raw[one.offset : one.offset + one.width]
                at = _place(one, field_, symbol.address + one.offset)
                yield what, (at - distance) % (1 << 64)

    def _differs(self, function: Function, symbol: Symbol) -> str | None:
        """Return why the code at the symbol differs; None if it is the same."""
        try:
            raw = self._elf.at(symbol.address, len(function.code))
        except FactsError as error:
            return str(error)
        function = _as_linked(function, raw)
        size = len(function.code)
        if symbol.size is not None and symbol.size < size:
            return f"it has {size} bytes, and the kernel's {symbol.size}"
        raw = raw[:size]
        code, kernels = bytearray(function.code), bytearray(raw)
        for start, end in _rewritten(function):
            code[start:end] = kernels[start:end] = bytes(end - start)
        for reference in function.references:
            if reference.target[1] == "__fentry__":
                continue
            end = reference.offset + reference.width
            field = raw[reference.offset : end]
            kernels[reference.offset : end] = bytes(reference.width)
            why = self._leads_elsewhere(reference, field, symbol.address + reference.offset)
            if why:
                return why
        if code != kernels:
            at = next(n for n, (a, b) in enumerate(zip(code, kernels, strict=True)) if a != b)
            return f"it differs at byte {at} of {size}"
        return None

    def _leads_elsewhere(self, reference: Reference, field: bytes, place: int) -> str | None:
        relative = reference.kind in PC_RELATIVE
        at = _place(reference, field, place)
        kind, what, distance = reference.target
        if kind == "symbol":
            assert isinstance(what, str)
            copies = self._facts.copies(what)
            # Per-CPU symbols and such as only the linker has are not in kallsyms, or counted.
            wanted = {(copy.address + distance) % (1 << 64) for copy in copies}
            if wanted and at not in wanted and what != "nothing":
                return f"at byte {reference.offset} it leads elsewhere than to {what}"
            return None
        if kind in ("string", "constant"):
            assert isinstance(what, bytes)
            start = at + (4 if relative else 0)
            try:
                there = self._elf.at(start, len(what))
            except FactsError:
                there = b""
            if there != what:
                return f"at byte {reference.offset} it leads to other bytes than {what[:40]!r}"
        return None


def _place(reference: Reference, written: bytes, place: int) -> int:
    """Return S + A of a relocation that the linker resolved at ``place``."""
    value = int.from_bytes(written, "little", signed=reference.kind != R_32)
    return (value + (place if reference.kind in PC_RELATIVE else 0)) % (1 << 64)


class ModuleCode:
    """The code of one module."""

    def __init__(self, facts: Facts, module: str) -> None:
        self._facts = facts
        self._module = module

    @cached_property
    def _reader(self) -> ObjectReader:
        return ObjectReader(open_module(self._facts.module_path(self._module)))

    def match(self, functions: Iterable[Function]) -> dict[str, Matched]:
        found: dict[str, Matched] = {}
        several: dict[str, list[Symbol]] = {}
        for function in functions:
            kernels = self._reader.called(function.name)
            copies = self._facts.module_copies(self._module, function.name)
            whys = [_differs(function, other, self._reader.places) for other in kernels]
            same = [copy for copy, why in zip(copies, whys, strict=False) if why is None]
            if len(same) == 1:
                found[function.name] = Matched(name=function.name, symbol=same[0])
            elif same:
                several[function.name] = same
            else:
                why = next(iter(whys), None) or "the module has no symbol of it"
                if function.weak:
                    why = "it is weak, and another file has the one that is used"
                found[function.name] = Matched(
                    name=function.name, symbol=None, why=why, expected=function.weak
                )
        return found | dict(_nearest(found, several))


def _nearest(
    found: Mapping[str, Matched], several: Mapping[str, list[Symbol]]
) -> Iterator[tuple[str, Matched]]:
    """Among functions with the same name and code, pick the one next to the file's other functions:
    the linker keeps the functions of one file together."""
    for name, same in several.items():
        places = sorted(
            one.symbol.address
            for one in found.values()
            if one.symbol and one.symbol.section == same[0].section
        )
        if not places:
            why = f"{len(same)} functions of that name have the same code"
            yield name, Matched(name=name, symbol=None, why=why)
            continue
        middle = places[len(places) // 2]
        nearest = min(same, key=lambda copy: abs(copy.address - middle))
        yield name, Matched(name=name, symbol=nearest)


_Places = Mapping[str, Set[tuple[int, int]]]


def _differs(function: Function, kernels: Function, places: _Places) -> str | None:
    """Why the module's function is another one; ``places`` of what the module has, by name."""
    function = _as_linked(function, kernels.code)
    size = len(function.code)
    if len(kernels.code) != size:
        return f"it has {size} bytes, and the module's {len(kernels.code)}"
    code, other = bytearray(function.code), bytearray(kernels.code)
    for start, end in _rewritten(function):
        code[start:end] = other[start:end] = bytes(end - start)
    if code != other:
        at = next(n for n, (a, b) in enumerate(zip(code, other, strict=True)) if a != b)
        return f"it differs at byte {at} of {size}"
    theirs = {one.offset: one for one in kernels.references}
    for one in function.references:
        if one.target[1] == "__fentry__":
            continue
        there = theirs.get(one.offset)
        if there is None or not _same(one, there, places):
            return f"at byte {one.offset} it leads elsewhere than to {str(one.target[1])[:60]}"
    return None


def _same(one: Reference, other: Reference, places: _Places) -> bool:
    kind, what, distance = one.target
    if kind != other.target[0]:
        # A constant that is alone in our section stands among others in the module's.
        return "content" in (kind, other.target[0])
    if kind in ("content", "code"):
        return True
    if "nothing" in (what, other.target[1]):
        return True  # of no size: what stands at its place is another's
    if kind == "symbol":
        own, its = _uncounted(what), _uncounted(other.target[1])
        if (own, distance) == (its, other.target[2]):
            return True
        # The end of an array is where the next variable begins.
        ours = {(section, at + distance) for section, at in places.get(own, ())}
        theirs = {(section, at + other.target[2]) for section, at in places.get(its, ())}
        return bool(ours & theirs)
    return what == other.target[1]


def _uncounted(name: str | bytes) -> str:
    return str(name).partition("#")[0]


def _as_linked(function: Function, kernels: bytes) -> Function:
    """Return ``function`` with short jumps where the kernel's assembler chose them.

    There the functions of a file share a section, and a jump to a near one takes two bytes. All
    that follows is nearer by as much, for jumps within the function too.
    """
    if not any(
        function.code[one.offset - 1 : one.offset] == b"\xe9" for one in function.references
    ):
        return function
    named = {one.offset: one for one in function.references}
    inner = {at: (width, to) for at, width, to in branches(function.code, 0) if at not in named}
    moved: dict[int, int] = {}  # offset in ours -> in the kernel's
    code = bytearray()
    shorter: dict[int, Reference] = {}
    start = 0
    for end in ends(function.code):
        moved.update({at: len(code) + at - start for at in range(start, end)})
        own = function.code[start:end]
        one = named.get(end - 4)
        at = len(code)
        if one is not None and own[:1] == b"\xe9" and kernels[at : at + 1] == b"\xeb":
            kind, what, distance = one.target
            shorter[one.offset] = Reference(
                offset=at + 1, kind=R_PC8, target=(kind, what, distance + 3)
            )
            code += b"\xeb\0"
        else:
            code += own
        start = end
    if not shorter:
        return function
    moved[len(function.code)] = len(code)
    for at, (width, to) in inner.items():
        if to in moved:
            distance = moved[to] - (moved[at] + width)
            code[moved[at] : moved[at] + width] = distance.to_bytes(width, "little", signed=True)
    references = tuple(
        shorter.get(one.offset) or replace(one, offset=moved[one.offset])
        for one in function.references
    )
    entries = tuple(
        (name, data, tuple(_moved(one, function.name, moved) for one in ones))
        for name, data, ones in function.entries
    )
    return replace(function, code=bytes(code), references=references, entries=entries)


def _moved(one: Reference, name: str, moved: Mapping[int, int]) -> Reference:
    """A table's reference into the function."""
    kind, what, distance = one.target
    if kind != "symbol" or what != name or distance not in moved:
        return one
    return replace(one, target=(kind, what, moved[distance]))


def _rewritten(function: Function) -> Iterator[tuple[int, int]]:
    """Yield the ranges that objtool rewrites: the call of __fentry__, and static-key branches."""
    for reference in function.references:
        if reference.target[1] == "__fentry__":
            yield reference.offset - 1, reference.offset - 1 + _CALL
    for table, _, references in function.entries:
        if table == "__jump_table":
            at = references[0].target[2]
            if 0 <= at < len(function.code):
                yield at, at + _JUMPS.get(function.code[at], 2)
