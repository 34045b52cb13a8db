# SPDX-License-Identifier: MIT
"""Match functions that were compiled from the unchanged sources with the code of the kernel's own
vmlinux or modules. Ksplice called this run-pre matching.

A match proves that sources, configuration and compiler are those of the kernel, and shows which of
several functions of one name is that of a file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from lppack.kernel.elf64 import SHN_LORESERVE, SHN_UNDEF, Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.facts import Facts, Symbol
from lppack.kernel.modules import open_module
from lppack.proof.layout import Moved, laid_out, moved_targets
from lppack.proof.objects import PC_RELATIVE, R_32, Function, Reference
from lppack.proof.reader import ObjectReader

# arch/x86/include/asm/jump_label.h (v6.1): JUMP_LABEL_NOP_SIZE follows from the instruction.
_JUMPS = {0xEB: 2, 0xE9: 5, 0x0F: 5, 0x66: 2}
_CALL = 5  # bytes of a call, and of the NOP in its place


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """One function of an object file, and the kernel's symbol with the same code."""

    name: str
    symbol: Symbol | None  # the kernel's, if its code is the same
    why: str = ""  # why it does not match; "": it does
    expected: bool = False  # a mismatch is right: it is weak, and another one is used
    leads: Mapping[str, int] = field(default_factory=dict)  # symbol -> address that it refers to


class KernelCode(Protocol):
    """The code of vmlinux or of one module."""

    def match(self, functions: Iterable[Function]) -> dict[str, Matched]:
        """Return the match of each function, by its name."""


class VmlinuxCode:
    """The code of vmlinux."""

    def __init__(self, facts: Facts, vmlinux: Elf) -> None:
        self._facts = facts
        self._elf = vmlinux

    def match(self, functions: Iterable[Function]) -> dict[str, Matched]:
        found: dict[str, Matched] = {}
        several: dict[str, list[Symbol]] = {}
        moved: dict[str, Moved] = {}
        for function in _parts_last(functions):
            function = moved_targets(function, moved)
            fits = {copy: self._fit(function, copy) for copy in self._facts.copies(function.name)}
            same = [copy for copy, fit in fits.items() if fit.why is None]
            if len(same) == 1:
                fit = fits[same[0]]
                moved[function.name] = fit.moved
                leads = dict(self._leads(fit.function, same[0]))
                found[function.name] = Matched(name=function.name, symbol=same[0], leads=leads)
            elif same:
                several[function.name] = same
            else:
                first = next(iter(fits.values()), None)
                why = (first and first.why) or "the kernel has no symbol of it"
                if function.weak:
                    why = "it is weak, and the kernel uses the definition in another file"
                found[function.name] = Matched(
                    name=function.name, symbol=None, why=why, expected=function.weak
                )
        return found | dict(_nearest(found, several))

    def _leads(self, function: Function, symbol: Symbol) -> Iterator[tuple[str, int]]:
        """Yield (symbol, address) of each reference, as the kernel's code has it."""
        raw = self._elf.at(symbol.address, len(function.code))
        for one in function.references:
            kind, what, distance = one.target
            if kind == "symbol" and isinstance(what, str) and what != "__fentry__":
                field_ = raw[one.offset : one.offset + one.width]
                at = _place(one, field_, symbol.address + one.offset)
                yield what, (at - distance) % (1 << 64)

    def _fit(self, function: Function, symbol: Symbol) -> "_Fit":
        """Compare with the code at the symbol, as compiled and then as laid out there."""
        size = len(function.code)
        try:
            raw = self._elf.at(symbol.address, max(size, symbol.size or 0))
        except FactsError as error:
            return _Fit(function, str(error))
        why = self._differs(function, symbol, raw)
        if why is not None:
            there, moved = laid_out(function, raw, symbol.address)
            if moved:
                return _Fit(there, self._differs(there, symbol, raw), moved)
        return _Fit(function, why)

    def _differs(self, function: Function, symbol: Symbol, raw: bytes) -> str | None:
        """Return why the code at the symbol differs; None if it is the same."""
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
            # kallsyms has no copies of some symbols: per-CPU ones, those of the linker, counted
            # ones.
            wanted = {(copy.address + distance) % (1 << 64) for copy in copies}
            if wanted and at not in wanted and what != "nothing":
                return f"at byte {reference.offset} it leads elsewhere than to {what}"
            return None
        if kind in ("string", "constant"):
            assert isinstance(what, bytes)
            start = at + (4 if relative else 0) - distance
            try:
                there = self._elf.at(start, len(what))
            except FactsError:
                there = b""
            if there != what:
                return f"at byte {reference.offset} it leads to other bytes than {what[:40]!r}"
        return None


@dataclass(frozen=True, slots=True)
class _Fit:
    """A function, laid out as the kernel's where that is needed."""

    function: Function
    why: str | None  # why it differs; None: it does not
    moved: Moved = field(default_factory=dict)


def _parts_last(functions: Iterable[Function]) -> list[Function]:
    """Sort functions so that a part that gcc has split off (NAME.cold) comes after the rest,
    because it refers to places in the rest."""
    return sorted(functions, key=lambda one: one.name.endswith(".cold"))


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
        moved: dict[str, Moved] = {}
        for function in _parts_last(functions):
            function = moved_targets(function, moved)
            kernels = self._reader.called(function.name)
            copies = self._facts.module_copies(self._module, function.name)
            fits = [self._fit(function, other) for other in kernels]
            same = [one for one in zip(copies, fits, strict=False) if one[1].why is None]
            if len(same) == 1:
                found[function.name] = Matched(name=function.name, symbol=same[0][0])
                moved[function.name] = same[0][1].moved
            elif same:
                several[function.name] = [copy for copy, _ in same]
            else:
                why = (fits and fits[0].why) or "the module has no symbol of it"
                if function.weak:
                    why = "it is weak, and the module uses the definition in another file"
                found[function.name] = Matched(
                    name=function.name, symbol=None, why=why, expected=function.weak
                )
        return found | dict(_nearest(found, several))

    def _fit(self, function: Function, kernels: Function) -> _Fit:
        """Compare with the module's, as compiled and then as laid out there."""
        why = self._differs(function, kernels)
        if why is not None:
            there, moved = laid_out(function, kernels.code, kernels.start)
            if moved:
                return _Fit(there, self._differs(there, kernels), moved)
        return _Fit(function, why)

    def _differs(self, function: Function, kernels: Function) -> str | None:
        """Return why the module's function is another one; None if it is the same."""
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
            if there is None or not self._same(one, there):
                return f"at byte {one.offset} it leads elsewhere than to {str(one.target[1])[:60]}"
        return None

    def _same(self, one: Reference, other: Reference) -> bool:
        kind, what, distance = one.target
        places = self._reader.places
        if kind in ("string", "constant") and other.target[0] in ("symbol", "content"):
            # scripts/module.lds.S (v7.0) puts strings and constants into one .rodata.
            assert isinstance(what, bytes)
            return self._stands_at(other, what, distance)
        if kind != other.target[0]:
            # A constant that is alone in our section stands among others in the module's.
            return "content" in (kind, other.target[0])
        if kind in ("content", "code"):
            return True
        if "nothing" in (what, other.target[1]):
            return True  # it has no size: another symbol is at its place
        if kind == "symbol":
            own, its = _uncounted(what), _uncounted(other.target[1])
            if (own, distance) == (its, other.target[2]):
                return True
            # The end of an array is where the next variable begins.
            ours = {(section, at + distance) for section, at in places.get(own, ())}
            theirs = {(section, at + other.target[2]) for section, at in places.get(its, ())}
            return bool(ours & theirs)
        return (what, distance) == (other.target[1], other.target[2])

    def _stands_at(self, reference: Reference, content: bytes, distance: int) -> bool:
        """Whether the module's reference leads to ``distance`` bytes from ``content``."""
        if reference.place is None:
            return False
        section, at = reference.place[0], reference.place[1] - distance
        elf = self._reader.elf
        if not SHN_UNDEF < section < SHN_LORESERVE:
            return False
        return elf.content(elf.sections[section])[at : at + len(content)] == content


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


def _uncounted(name: str | bytes) -> str:
    return str(name).partition("#")[0]


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
