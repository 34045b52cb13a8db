# SPDX-License-Identifier: MIT
"""Convert relocations of a module that kbuild made into livepatch relocations, by which the kernel
resolves symbols that are not exported (Documentation/livepatch/module-elf-format.rst, v6.1).

The order is: strip, convert, sign. strip and objcopy do not renumber symbols in the sections of
livepatch relocations.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lppack import abi
from lppack.elf.rewrite import ElfSection, NotRewritable, Relocatable, Relocation
from lppack.errors import BuildFailed

_STB_GLOBAL = 1
_SHN_UNDEF = 0


class NotConvertible(BuildFailed):
    """The built code cannot get livepatch relocations. Nothing was written."""

    kind = "not-convertible"


@dataclass(frozen=True, slots=True, kw_only=True)
class LivepatchSymbol:
    """A symbol that the kernel is to resolve."""

    c_name: str  # undefined in the module: "dup_helper_one"
    object: str  # object of the patch at whose load it is resolved: "vmlinux" or a module
    name: str  # in the kernel: "dup_helper"
    sympos: int  # 0: the only one of that name
    module: str | None = None  # that defines the symbol; None: the object does

    @property
    def klp_name(self) -> str:
        return f"{abi.KLP_SYMBOL}{self.module or self.object}.{self.name},{self.sympos}"


def slots_of(object_: str) -> str:
    """Return the name of the only section that may have livepatch relocations for a module.

    The section is a table of pointers, the slots. When a module is removed, 6.1 does not clear what
    it has relocated, and then refuses to load that module again. So the generated module code
    clears the slots. (Since v6.3 the kernel does: commit 0c05e7bd2d01 ("livepatch,x86: Clear
    relocation targets on a module removal").) The name has two dots because scripts/module.lds.S
    (v7.2) merges .data.*.
    """
    return f".data..lp_slots.{object_}"


def convert(data: bytes, wanted: Sequence[LivepatchSymbol], objects: Collection[str]) -> bytes:
    """Return the module with livepatch relocations; the same bytes for the same input.

    ``objects``: names of the patch's objects. Raise NotConvertible, which names every fault.
    """
    try:
        return _Conversion(data, wanted, objects).run()
    except NotRewritable as error:
        raise NotConvertible(error.message, hint="convert it as kbuild wrote it") from None


class _Conversion:
    def __init__(
        self, data: bytes, wanted: Sequence[LivepatchSymbol], objects: Collection[str]
    ) -> None:
        if abi.MODULE_SIGNATURE in data:
            raise NotConvertible(
                "is signed, and a change would make the signature void",
                hint="strip, convert, and then sign",
            )
        self.file = Relocatable(data)
        self.wanted = wanted
        self.objects = objects
        self.names = {entry.c_name: entry for entry in wanted}

    def run(self) -> bytes:
        faults = [*self._converted_before(), *self._symbols()]
        tables = [n for n, section in enumerate(self.file.sections) if section.type == abi.SHT_RELA]
        split = {n: self._split(self.file.sections[n]) for n in tables}
        for n in tables:
            faults += self._misplaced(self.file.sections[n], split[n])
        if faults:
            raise NotConvertible("\n".join(faults), hint="see docs/authors.md for what can be used")
        self._mark()
        for n in tables:
            self._write(self.file.sections[n], split[n])
        return self.file.to_bytes()

    def _converted_before(self) -> Iterator[str]:
        for section in self.file.sections:
            if section.name.startswith(abi.KLP_SECTION):
                yield f"section {section.name}: it was converted already; build it again"
        for symbol in self.file.symbols:
            if symbol.name.startswith(abi.KLP_SYMBOL) or symbol.section == abi.SHN_LIVEPATCH:
                yield f"symbol {symbol.name}: it was converted already; build it again"

    def _symbols(self) -> Iterator[str]:
        for entry in self.wanted:
            if entry.object not in self.objects:
                yield (
                    f"symbol {entry.c_name}: {entry.object} is not an object of this patch, so the "
                    "kernel would never look it up; add the object"
                )
        for symbol in self.file.symbols:
            known = self.names.get(symbol.name)
            if known and symbol.section != _SHN_UNDEF:
                yield (
                    f"symbol {symbol.name}: is listed as one of {known.object}, and a source "
                    "defines it; declare it `extern`, or give it another name with `as`"
                )

    def _wanted(self, relocation: Relocation) -> LivepatchSymbol | None:
        symbol = self.file.symbols[relocation.symbol]
        return self.names.get(symbol.name) if symbol.section == _SHN_UNDEF else None

    def _split(self, table: ElfSection) -> dict[str, list[Relocation]]:
        """Return the relocations of ``table`` by the object that they wait for.

        Ordinary relocations, which wait for no object, have the key "".
        """
        made: dict[str, list[Relocation]] = {"": []}
        for entry in self.file.relocations(table):
            known = self._wanted(entry)
            made.setdefault(known.object if known else "", []).append(entry)
        return made

    def _misplaced(self, table: ElfSection, split: dict[str, list[Relocation]]) -> Iterator[str]:
        """Yield a message for each relocation that the kernel would refuse, or apply too late."""
        target = self.file.target(table)
        for object_, entries in split.items():
            for entry in entries if object_ else ():
                name = self.file.symbols[entry.symbol].name
                where = f"symbol {name} of {object_}, section {target.name}+{entry.offset:#x}"
                size = abi.RELOCATION_SIZES.get(entry.type)
                if not target.flags & abi.SHF_ALLOC or target.name == abi.MODULE_STRUCT:
                    yield f"{where}: the kernel does not relocate that section; use it elsewhere"
                elif size is None:
                    yield (
                        f"{where}: the kernel knows no relocation of type {entry.type}; use plain C"
                    )
                elif any(target.data[entry.offset : entry.offset + size]):
                    yield f"{where}: the kernel wants zeros there, and has found other bytes"
                elif object_ != "vmlinux" and (
                    target.name != slots_of(object_)
                    or (entry.type, entry.addend) != (abi.R_X86_64_64, 0)
                ):
                    yield (
                        f"{where}: would be applied after the kernel has used it, and would keep "
                        f"{object_} from loading again; go through its slot"
                    )

    def _mark(self) -> None:
        for symbol in self.file.symbols:
            known = self.names.get(symbol.name)
            if known:
                self.file.rename(symbol, known.klp_name)
                symbol.section, symbol.info = abi.SHN_LIVEPATCH, _STB_GLOBAL << 4

    def _write(self, table: ElfSection, split: dict[str, list[Relocation]]) -> None:
        target = self.file.target(table)
        flags = abi.SHF_ALLOC | abi.SHF_INFO_LINK | abi.SHF_RELA_LIVEPATCH
        for object_, entries in sorted(split.items()):
            if object_ and entries:
                name = f"{abi.KLP_SECTION}{object_}.{target.name.removeprefix('.')}"
                self.file.add_relocations(name, table.info, flags, entries)
        self.file.set_relocations(table, split[""])
