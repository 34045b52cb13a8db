# SPDX-License-Identifier: MIT
"""Which functions differ between the vmlinux and the modules of two kernel packages, by the bytes
that Debian ships: nothing here is compiled, and nothing of lppack.proof is used.

Instructions are decoded by capstone and modules are read by pyelftools. Addresses are left out,
because each one differs between two links; the names of called functions stay.
"""

import io
import re
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import capstone
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import Symbol as ElfSymbol
from elftools.elf.sections import SymbolTableSection

from lppack.kernel.facts import Facts, Symbol, open_facts
from lppack.kernel.image import read_image
from lppack.kernel.modules import open_module
from lppack.model import Kernel

_KERNEL = 0xFFFFFFFF80000000  # Documentation/x86/x86_64/mm.rst: the kernel's text and data
_FUNCTION = "tTwW"
_EXECUTABLE = 0x4  # SHF_EXECINSTR
_SUFFIX = re.compile(r"\.(isra|constprop|part|cold|localalias)\b.*$")
_PADDING = ("int3", "nop")

Listing = tuple[str, ...]
NameAt = Callable[[int], str | None]  # of what starts at an address


class Package:
    """The code of one kernel package."""

    def __init__(self, kernel: Kernel) -> None:
        self.facts: Facts = open_facts(kernel)
        self._kernel = kernel

    @cached_property
    def _starts(self) -> dict[int, str]:
        return {one.address: one.name for one in self.facts.symbols() if one.type in _FUNCTION}

    @cached_property
    def _by_name(self) -> dict[str, list[Symbol]]:
        found: dict[str, list[Symbol]] = {}
        for one in self.facts.symbols():
            if one.type in _FUNCTION:
                found.setdefault(one.name, []).append(one)
        return found

    def functions(self, object_: str, names: set[str]) -> dict[str, list[Listing]]:
        """Functions of one object and their parts (NAME.cold), by name: several may have one."""
        if object_ != "vmlinux":
            return dict(_Module.read(self.facts.module_path(object_)).functions(names))
        return {
            name: sorted(self._listing(one) for one in self._by_name[name])
            for name in self._by_name
            if base(name) in names
        }

    @cached_property
    def _vmlinux(self) -> Callable[[int, int], bytes]:
        return read_image(self._kernel.image).vmlinux().at

    def _listing(self, symbol: Symbol) -> Listing:
        code = self._vmlinux(symbol.address, symbol.size or 0)
        return _listing(code, symbol.address, self._starts.get, {})


def differing(old: Package, new: Package, object_: str, names: set[str]) -> set[str]:
    """Return which of the functions ``names`` of one object differ, or are in one package alone."""
    one, other = old.functions(object_, names), new.functions(object_, names)
    return {base(name) for name in {*one, *other} if one.get(name) != other.get(name)}


def base(name: str) -> str:
    """Return the function that the compiler made a part or a changed copy from."""
    return _SUFFIX.sub("", name)


@lru_cache(maxsize=1)
def _decoder() -> capstone.Cs:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    decoder.skipdata = True  # ud2's own bytes, and such
    return decoder


def _listing(code: bytes, start: int, name_at: NameAt, named: dict[int, str]) -> Listing:
    """One line for each instruction; ``named``: by offset, what a relocation leads to."""
    lines = [
        line
        for instruction in _decoder().disasm(code, start)
        for line in [_line(instruction, start, len(code), name_at, named)]
    ]
    while lines and lines[-1].startswith(_PADDING):
        lines.pop()
    return tuple(lines)


def _line(
    one: "capstone.CsInsn", start: int, size: int, name_at: NameAt, named: dict[int, str]
) -> str:
    at = one.address - start
    leads = [named[at + offset] for offset in range(one.size) if at + offset in named]
    if not one.id:
        return f".byte {bytes(one.bytes).hex()}"
    words = [one.mnemonic]
    branch = one.group(capstone.CS_GRP_JUMP) or one.group(capstone.CS_GRP_CALL)
    for operand in one.operands:
        if operand.type == capstone.CS_OP_REG:
            words.append(one.reg_name(operand.reg))
        elif operand.type == capstone.CS_OP_IMM:
            words.append(_number(operand.imm, branch, start, size, name_at, bool(leads)))
        elif operand.type == capstone.CS_OP_MEM:
            words.append(_memory(one, operand.mem, bool(leads)))
    return " ".join([*words, *leads])


def _number(value: int, branch: bool, start: int, size: int, name_at: NameAt, linked: bool) -> str:
    if linked:
        return "ADDRESS"
    if branch:
        if start <= value < start + size:
            return f"+{value - start:#x}"
        return name_at(value) or "ADDRESS"
    return "ADDRESS" if value % (1 << 64) >= _KERNEL and value < -0x100000 else f"{value:#x}"


def _memory(one: "capstone.CsInsn", memory: "capstone.x86.X86OpMem", linked: bool) -> str:
    parts = [one.reg_name(part) or "" for part in (memory.segment, memory.base, memory.index)]
    absolute = memory.disp % (1 << 64) >= _KERNEL and memory.disp < -0x100000
    # %gs: a variable for each processor, of which the linker makes the place.
    if linked or absolute or parts[1] == "rip" or parts[0] == "gs":
        return f"[{' '.join(parts)} {memory.scale} ADDRESS]"
    return f"[{' '.join(parts)} {memory.scale} {memory.disp:#x}]"


class _Module:
    """A module's functions, and the names of those that its relocations lead to."""

    def __init__(self, path: Path) -> None:
        self._elf = ELFFile(io.BytesIO(open_module(path).data))
        table = self._elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        self._symbols = list(table.iter_symbols())

    @classmethod
    @lru_cache(maxsize=8)
    def read(cls, path: Path) -> "_Module":
        return cls(path)

    def functions(self, names: set[str]) -> Iterator[tuple[str, list[Listing]]]:
        found: dict[str, list[Listing]] = {}
        for one in self._symbols:
            defined = isinstance(one["st_shndx"], int)
            if one["st_info"]["type"] == "STT_FUNC" and defined and base(one.name) in names:
                found.setdefault(one.name, []).append(self._listing(one))
        return ((name, sorted(ones)) for name, ones in found.items())

    def _listing(self, one: ElfSymbol) -> Listing:
        start, size = one["st_value"], one["st_size"]
        code = self._sections[one["st_shndx"]][start : start + size]
        named = self._relocations.get(one["st_shndx"], {})
        near = {at - start: named[at] for at in range(start, start + size) if at in named}
        return _listing(code, start, lambda _at: None, near)

    @cached_property
    def _sections(self) -> dict[int, bytes]:
        every = enumerate(self._elf.iter_sections())
        return {index: one.data() for index, one in every if one["sh_flags"] & _EXECUTABLE}

    @cached_property
    def _relocations(self) -> dict[int, dict[int, str]]:
        """By section and offset: the name of a function, "" for all that is not one."""
        return {
            section["sh_info"]: dict(self._named(section))
            for section in self._elf.iter_sections()
            if isinstance(section, RelocationSection) and section["sh_info"] in self._sections
        }

    def _named(self, section: RelocationSection) -> Iterator[tuple[int, str]]:
        for relocation in section.iter_relocations():
            symbol = self._symbols[relocation["r_info_sym"]]
            elsewhere = symbol["st_shndx"] == "SHN_UNDEF"
            function = symbol["st_info"]["type"] == "STT_FUNC" or elsewhere
            yield relocation["r_offset"], symbol.name if function else ""
