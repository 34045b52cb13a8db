# SPDX-License-Identifier: MIT
"""What a built module says of itself, and what the kernel's loader would find in it."""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lppack import abi
from lppack.elf.rewrite import NotRewritable, Relocatable
from lppack.errors import LppackError
from lppack.shape import printable

_VERSIONS = "__versions"
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_SHN_UNDEF, _STB_WEAK = 0, 2  # include/uapi/linux/elf.h (v6.1)


class NotAModule(LppackError):
    """The file is not a readable kernel module. Nothing was done with it."""

    exit_code = 9
    kind = "not-a-module"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocations:
    """One relocation section, as the kernel's loader would walk it."""

    section: str
    target: str  # the section that it changes; "": there is none
    allocated: bool
    livepatch: bool  # SHF_RELA_LIVEPATCH
    symbols: tuple[tuple[str, bool], ...]  # (name, is it SHN_LIVEPATCH), each once
    beyond: int  # distinct (symbol, type) whose symbol is not in the table
    types: tuple[int, ...]  # each once


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFile:
    modinfo: Mapping[str, tuple[str, ...]]
    undefined: tuple[str, ...]  # names that the kernel has to resolve
    weak: tuple[str, ...]  # undefined and weak: NULL if the kernel has none
    sections: tuple[str, ...]
    klp_symbols: tuple[tuple[str, bool], ...]  # (.klp.sym.*, is it SHN_LIVEPATCH)
    relocations: tuple[Relocations, ...]
    checksums: Mapping[str, int]  # name -> CRC, from modpost; empty: no MODVERSIONS
    compilers: tuple[str, ...]  # what .comment says, each once
    signature: str  # "none", "at the end" or "inside"

    @property
    def has_debug(self) -> bool:
        return ".debug_info" in self.sections

    def info(self, key: str) -> str | None:
        """Return the first value of ``key`` in .modinfo; None if there is none."""
        values = self.modinfo.get(key, ())
        return values[0] if values else None


def read_module(data: bytes) -> ModuleFile:
    """Read a relocatable x86-64 module. Raise NotAModule if it is none."""
    try:
        file = Relocatable(data)
    except NotRewritable as error:
        raise NotAModule(f"cannot be read as ELF: {error.message}") from None
    sections = {section.name: section.data for section in file.sections}
    if ".modinfo" not in sections or file.sections[file.symtab].name != ".symtab":
        raise NotAModule("has no .modinfo or no symbol table: it is not a kernel module")
    modinfo: dict[str, tuple[str, ...]] = {}
    for entry in sections[".modinfo"].split(b"\0"):
        key, _, value = _text(entry).partition("=")
        if key:
            modinfo[key] = (*modinfo.get(key, ()), value)
    klp = [s for s in file.symbols if s.name.startswith(abi.KLP_SYMBOL)]
    missing = [
        (symbol.name, symbol.info >> 4 == _STB_WEAK)
        for symbol in file.symbols
        if symbol.name
        and symbol.section == _SHN_UNDEF
        and not symbol.name.startswith(abi.KLP_SYMBOL)
    ]
    comment = sections.get(".comment", b"").split(b"\0")
    return ModuleFile(
        modinfo=modinfo,
        undefined=tuple(sorted(name for name, weak in missing if not weak)),
        weak=tuple(sorted(name for name, weak in missing if weak)),
        sections=tuple(sections),
        klp_symbols=tuple((s.name, s.section == abi.SHN_LIVEPATCH) for s in klp),
        relocations=tuple(_relocations(file)),
        checksums=_checksums(sections.get(_VERSIONS, b"")),
        compilers=tuple(dict.fromkeys(map(_text, filter(None, comment)))),
        signature=_signature(data),
    )


def _relocations(file: Relocatable) -> Iterator[Relocations]:
    """Yield the relocation sections, unchecked: a rule looks for symbols beyond the table."""
    symbols = [(symbol.name, symbol.section == abi.SHN_LIVEPATCH) for symbol in file.symbols]
    for section in file.sections:
        if section.type != abi.SHT_RELA:
            continue
        try:
            pairs = dict.fromkeys(
                (info >> 32, info & 0xFFFFFFFF)
                for _, info, _ in struct.iter_unpack("<QQq", section.data)
            )
        except struct.error as error:
            raise NotAModule(f"cannot be read as ELF: {section.name}: {error}") from None
        used = [number for number, _ in pairs]
        here = 0 < section.info < len(file.sections)
        yield Relocations(
            section=section.name,
            target=file.sections[section.info].name if here else "",
            allocated=bool(section.flags & abi.SHF_ALLOC),
            livepatch=bool(section.flags & abi.SHF_RELA_LIVEPATCH),
            symbols=tuple(dict.fromkeys(symbols[n] for n in used if n < len(symbols))),
            beyond=sum(number >= len(symbols) for number in used),
            types=tuple(dict.fromkeys(kind for _, kind in pairs)),
        )


def _checksums(data: bytes) -> dict[str, int]:
    """Return name -> CRC from an array of struct modversion_info: CRC, then name, in 64 bytes."""
    found = {}
    for at in range(0, len(data) - abi.MODVERSION_SIZE + 1, abi.MODVERSION_SIZE):
        (crc,) = struct.unpack_from("<Q", data, at)
        name = data[at + 8 : at + abi.MODVERSION_SIZE].partition(b"\0")[0]
        found[_text(name)] = crc
    return found


def _text(data: bytes) -> str:
    return printable(data.decode(errors="replace"))


def _signature(data: bytes) -> str:
    if data.endswith(abi.MODULE_SIGNATURE):
        return "at the end"
    return "inside" if abi.MODULE_SIGNATURE in data else "none"


def checksums_of(symvers: str) -> dict[str, int]:
    """Return name -> CRC from a Module.symvers: lines of ``CRC NAME MODULE TYPE NAMESPACE``."""
    rows = (line.split("\t") for line in symvers.splitlines())
    return {row[1]: int(row[0], 16) for row in rows if len(row) > 1 and _HEX.fullmatch(row[0])}
