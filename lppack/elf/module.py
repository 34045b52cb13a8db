# SPDX-License-Identifier: MIT
"""What a built module says of itself, read with pyelftools."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

from lppack.errors import LppackError


class NotAModule(LppackError):
    """The file is not a kernel module that can be read. Nothing was done with it."""

    exit_code = 9
    kind = "not-a-module"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFile:
    modinfo: Mapping[str, tuple[str, ...]]
    undefined: tuple[str, ...]  # names that the kernel has to resolve
    weak: tuple[str, ...]  # undefined and weak: NULL if the kernel has none
    has_debug: bool

    def info(self, key: str) -> str | None:
        """The first value of ``key``, None if there is none."""
        values = self.modinfo.get(key, ())
        return values[0] if values else None


def read_module(data: bytes) -> ModuleFile:
    """Reads a relocatable x86-64 module. Raises NotAModule."""
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
        for symbol in symtab.iter_symbols():
            if symbol.name and symbol["st_shndx"] == "SHN_UNDEF":
                table = weak if symbol["st_info"]["bind"] == "STB_WEAK" else undefined
                table.append(symbol.name)
        has_debug = elf.get_section_by_name(".debug_info") is not None
    except (ELFError, UnicodeError, ValueError, KeyError, OverflowError) as error:
        raise NotAModule(f"cannot be read as ELF: {error}") from None
    return ModuleFile(
        modinfo=modinfo,
        undefined=tuple(sorted(undefined)),
        weak=tuple(sorted(weak)),
        has_debug=has_debug,
    )


def faults(module: ModuleFile, *, release: str | None, exports: frozenset[str] | None) -> list[str]:
    """What would keep this live patch from loading, or from working, on ``release``."""
    found = []
    if module.info("livepatch") != "Y":
        found.append("modinfo has no livepatch=Y: the kernel would not take it for a live patch")
    if module.info("depends"):
        found.append(f"it depends on {module.info('depends')}: it could not load before that")
    vermagic = module.info("vermagic") or ""
    if release is not None and vermagic.split(" ")[0] != release:
        found.append(f'its vermagic "{vermagic}" is not of {release}')
    found += [f"undefined weak symbol {name} would be NULL" for name in module.weak]
    if exports is not None:
        found += [
            f"{name} is not exported by {release}"
            for name in module.undefined
            if name not in exports
        ]
    return found


def exports_of(symvers: str) -> frozenset[str]:
    """Names in a Module.symvers: ``CRC NAME MODULE TYPE NAMESPACE`` (scripts/mod/modpost.c)."""
    rows = (line.split("\t") for line in symvers.splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1)
