# SPDX-License-Identifier: MIT
"""What a built module says of itself, read with pyelftools."""

import io
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lppack import abi
from lppack.errors import LppackError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

_VERSIONS = "__versions"
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_OLDER = (AttributeError, TypeError)  # what pyelftools 0.29 raises, as in Debian 12
_DAMAGED = (UnicodeError, ValueError, KeyError, OverflowError, struct.error, *_OLDER)


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
    symbols: tuple[tuple[str, bool], ...]  # name, and if it is SHN_LIVEPATCH; each once
    beyond: int  # entries whose symbol is not in the table
    types: tuple[int, ...]  # each once


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFile:
    modinfo: Mapping[str, tuple[str, ...]]
    undefined: tuple[str, ...]  # names that the kernel has to resolve
    weak: tuple[str, ...]  # undefined and weak: NULL if the kernel has none
    sections: tuple[str, ...]
    klp_symbols: tuple[tuple[str, bool], ...]  # .klp.sym.*, and if each is SHN_LIVEPATCH
    relocations: tuple[Relocations, ...]
    checksums: Mapping[str, int]  # name -> CRC that modpost wrote down; empty: no MODVERSIONS
    compilers: tuple[str, ...]  # what .comment says, each once
    signature: str  # "none", "at the end" or "inside"

    @property
    def has_debug(self) -> bool:
        return ".debug_info" in self.sections

    def info(self, key: str) -> str | None:
        """Return the first value of ``key``, None if there is none."""
        values = self.modinfo.get(key, ())
        return values[0] if values else None


def read_module(data: bytes) -> ModuleFile:
    """Read a relocatable x86-64 module. Raise NotAModule."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        elf = ELFFile(io.BytesIO(data))
        if elf["e_type"] != "ET_REL" or elf["e_machine"] != "EM_X86_64":
            raise NotAModule("is not a relocatable x86-64 file")
        section = elf.get_section_by_name(".modinfo")
        symtab = elf.get_section_by_name(".symtab")
        if section is None or not isinstance(symtab, SymbolTableSection):
            raise NotAModule("has no .modinfo or no symbol table: it is not a kernel module")
        modinfo: dict[str, tuple[str, ...]] = {}
        for entry in section.data().split(b"\0"):
            key, _, value = entry.decode(errors="replace").partition("=")
            if key:
                modinfo[key] = (*modinfo.get(key, ()), value)
        undefined: list[str] = []
        weak: list[str] = []
        klp: list[tuple[str, bool]] = []
        for symbol in symtab.iter_symbols():
            if symbol.name.startswith(abi.KLP_SYMBOL):
                klp.append((symbol.name, symbol["st_shndx"] == abi.SHN_LIVEPATCH))
            elif symbol.name and symbol["st_shndx"] == "SHN_UNDEF":
                table = weak if symbol["st_info"]["bind"] == "STB_WEAK" else undefined
                table.append(symbol.name)
        sections = {entry.name: entry for entry in elf.iter_sections()}
        relocations = tuple(_relocations(elf, symtab))
        versions = sections[_VERSIONS].data() if _VERSIONS in sections else b""
        comment = sections[".comment"].data() if ".comment" in sections else b""
    except (ELFError, *_DAMAGED) as error:
        raise NotAModule(f"cannot be read as ELF: {error}") from None
    return ModuleFile(
        modinfo=modinfo,
        undefined=tuple(sorted(undefined)),
        weak=tuple(sorted(weak)),
        sections=tuple(sections),
        klp_symbols=tuple(klp),
        relocations=relocations,
        checksums=_checksums(versions),
        compilers=tuple(dict.fromkeys(filter(None, comment.decode(errors="replace").split("\0")))),
        signature=_signature(data),
    )


def _relocations(elf: "ELFFile", symtab: "SymbolTableSection") -> Iterator[Relocations]:
    """From the raw entries: pyelftools takes an entry's symbol for granted."""
    symbols = [(symbol.name, symbol["st_shndx"]) for symbol in symtab.iter_symbols()]
    for section in elf.iter_sections():
        if section["sh_type"] != "SHT_RELA":
            continue
        pairs = dict.fromkeys(
            (info >> 32, info & 0xFFFFFFFF)
            for _, info, _ in struct.iter_unpack("<QQq", section.data())
        )
        used = [number for number, _ in pairs]
        here = 0 < section["sh_info"] < elf.num_sections()
        yield Relocations(
            section=section.name,
            target=elf.get_section(section["sh_info"]).name if here else "",
            allocated=bool(section["sh_flags"] & abi.SHF_ALLOC),
            livepatch=bool(section["sh_flags"] & abi.SHF_RELA_LIVEPATCH),
            symbols=tuple(
                dict.fromkeys(
                    (name, home == abi.SHN_LIVEPATCH)
                    for name, home in (symbols[n] for n in used if n < len(symbols))
                )
            ),
            beyond=sum(number >= len(symbols) for number in used),
            types=tuple(dict.fromkeys(kind for _, kind in pairs)),
        )


def _checksums(data: bytes) -> dict[str, int]:
    """struct modversion_info: the checksum, and the name in what is left of 64 bytes."""
    found = {}
    for at in range(0, len(data) - abi.MODVERSION_SIZE + 1, abi.MODVERSION_SIZE):
        (crc,) = struct.unpack_from("<Q", data, at)
        name = data[at + 8 : at + abi.MODVERSION_SIZE].partition(b"\0")[0]
        found[name.decode(errors="replace")] = crc
    return found


def _signature(data: bytes) -> str:
    if data.endswith(abi.MODULE_SIGNATURE):
        return "at the end"
    return "inside" if abi.MODULE_SIGNATURE in data else "none"


def checksums_of(symvers: str) -> dict[str, int]:
    """Name -> CRC of a Module.symvers: ``CRC NAME MODULE TYPE NAMESPACE``, by modpost."""
    rows = (line.split("\t") for line in symvers.splitlines())
    return {row[1]: int(row[0], 16) for row in rows if len(row) > 1 and _HEX.fullmatch(row[0])}
