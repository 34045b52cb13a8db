# SPDX-License-Identifier: MIT
"""Find a kernel module's file, and read what a live patch has to know about it."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lppack.errors import EnvironmentMissing
from lppack.kernel.elf64 import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHN_LORESERVE,
    SHN_UNDEF,
    SHT_NOBITS,
    STB_LOCAL,
    STT_FILE,
    STT_SECTION,
    Elf,
    ElfSymbol,
    Section,
)
from lppack.kernel.errors import FactsError
from lppack.kernel.image import decompress
from lppack.kernel.symbols import ENDBR_SIZE, Symbol

_SUFFIXES = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")
_MCOUNT = "__mcount_loc"  # include/linux/ftrace.h; scripts/recordmcount.c, objtool --mcount
_R_X86_64_64 = 1  # arch/x86/include/asm/elf.h


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelModule:
    """The symbols of one .ko, in the order in which the kernel counts sympos."""

    path: Path
    symbols: tuple[Symbol, ...]
    depends: tuple[str, ...] = ()  # modules whose exports it uses

    def copies(self, name: str) -> tuple[Symbol, ...]:
        """All symbols of that name."""
        return tuple(symbol for symbol in self.symbols if symbol.name == name)


def module_name(path: Path) -> str:
    """Return the name that the kernel gives the module in that file ("snd_pcm" for snd-pcm.ko)."""
    for suffix in _SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix).replace("-", "_")
    raise FactsError(f"{path} is not named like a kernel module (*.ko)")


def find_module(directory: Path, name: str) -> Path | None:
    """Return the file of module ``name`` below lib/modules/RELEASE; None if there is none."""
    return index_modules(directory).get(name.replace("-", "_"))


def index_modules(directory: Path) -> dict[str, Path]:
    """Return module name -> file, below ``directory``, which is lib/modules/RELEASE.

    Read modules.dep, or search the folder if depmod has not run.
    """
    index: dict[str, Path] = {}
    for path in _listed(directory) or _walked(directory):
        index.setdefault(module_name(path), path)
    return index


def read_module(path: Path) -> KernelModule:
    """Read any .ko, compressed or not. Raise EnvironmentMissing or FactsError."""
    elf = open_module(path)
    return KernelModule(path=path, symbols=parse_module(elf), depends=parse_depends(elf))


def open_module(path: Path) -> Elf:
    """Return the ELF file in any .ko, compressed or not."""
    module_name(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvironmentMissing(f"cannot read the module {path}: {error.strerror}") from error
    if not path.name.endswith(".ko"):
        data = decompress(data, what=str(path))
    return Elf(data, str(path))


def parse_module(elf: Elf) -> tuple[Symbol, ...]:
    """Return the symbols that a relocatable file will have in the kernel, in .symtab order."""
    table = elf.symbols()
    if not table:
        raise FactsError(f"{elf.what} has no symbol table")
    sites = _sites(elf, table)
    seen: Counter[str] = Counter()
    symbols = []
    for entry in table:
        section = _home(elf, entry)
        if section is None:
            continue
        seen[entry.name] += 1
        place = (entry.section, entry.value)
        behind_endbr = (entry.section, entry.value + ENDBR_SIZE)
        symbols.append(
            Symbol(
                name=entry.name,
                address=entry.value,
                type=_letter(section, local=entry.binding == STB_LOCAL),
                sympos=seen[entry.name],
                traceable=place in sites or (entry.size > ENDBR_SIZE and behind_endbr in sites),
                # include/linux/moduleloader.h, module_init_section() (v6.1)
                init=section.name.startswith(".init"),
                size=entry.size,
                section=entry.section,
            )
        )
    return tuple(symbols)


def parse_depends(elf: Elf) -> tuple[str, ...]:
    """Return the modules that this one depends on, which modpost wrote into .modinfo
    (scripts/mod/modpost.c, v6.1: add_depends()), by their names in the kernel.

    While this module is loaded, the kernel keeps them loaded (kernel/module/main.c, ref_module()).
    """
    info = next((section for section in elf.sections if section.name == ".modinfo"), None)
    for entry in elf.content(info).split(b"\0") if info else ():
        key, _, value = entry.decode("ascii", errors="replace").partition("=")
        if key == "depends":
            return tuple(name.replace("-", "_") for name in value.split(",") if name)
    return ()


def _home(elf: Elf, entry: ElfSymbol) -> Section | None:
    """Return the loaded section of a symbol; None if the kernel does not count the symbol.

    kernel/module/kallsyms.c (v6.1), module_kallsyms_on_each_symbol() and is_core_symbol(): only
    what is defined, named and loaded is counted.
    """
    if not entry.name or entry.kind in (STT_SECTION, STT_FILE):
        return None
    if entry.section == SHN_UNDEF or entry.section >= SHN_LORESERVE:
        return None
    if entry.section >= len(elf.sections):
        raise FactsError(f"{elf.what}: symbol {entry.name} is in a section that does not exist")
    section = elf.sections[entry.section]
    return section if section.flags & SHF_ALLOC else None


def _sites(elf: Elf, table: tuple[ElfSymbol, ...]) -> frozenset[tuple[int, int]]:
    """Return (section, offset) of each call to __fentry__; empty if built without ftrace."""
    sites = set()
    for section in elf.sections:
        if section.name != _MCOUNT:
            continue
        count = 0
        for _, number, kind, addend in elf.relocations(section):
            if kind != _R_X86_64_64 or number >= len(table):
                raise FactsError(f"{elf.what}: {_MCOUNT} has a relocation of type {kind}")
            sites.add((table[number].section, table[number].value + addend))
            count += 1
        if count * 8 != section.size:
            raise FactsError(
                f"{elf.what}: {_MCOUNT} has {section.size} bytes but {count} relocations"
            )
    return frozenset(sites)


def _letter(section: Section, *, local: bool) -> str:
    if section.flags & SHF_EXECINSTR:
        letter = "t"
    elif section.type == SHT_NOBITS:
        letter = "b"
    else:
        letter = "d" if section.flags & SHF_WRITE else "r"
    return letter if local else letter.upper()


def _listed(directory: Path) -> list[Path]:
    """Return the files that depmod has listed in modules.dep, and that still exist."""
    try:
        lines = (directory / "modules.dep").read_text().splitlines()
    except OSError:
        return []
    paths = [directory / line.partition(":")[0] for line in lines if ":" in line]
    return [path for path in paths if path.name.endswith(_SUFFIXES) and path.is_file()]


def _walked(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        folders.sort()
        for name in sorted(files):
            if name.endswith(_SUFFIXES):
                yield Path(folder) / name
