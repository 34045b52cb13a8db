# SPDX-License-Identifier: MIT
"""What the kernel and its modules export: the kernel's own tables, and Module.symvers."""

import functools
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lppack.kernel.elf64 import Elf, Section
from lppack.kernel.errors import FactsError

# include/linux/export.h (v6.1), struct kernel_symbol with CONFIG_HAVE_ARCH_PREL32_RELOCATIONS:
# value, name and namespace, each as its distance from the word itself.
_TABLES = {"__ksymtab": False, "__ksymtab_gpl": True}
# include/asm-generic/vmlinux.lds.h (v7.2): a byte for each entry of __ksymtab, in place of a second
# table; include/linux/module_symbol.h: bit 0 means that only GPL modules may use it.
_FLAGS, _GPL = "__kflagstab", 1
_EXPORT = struct.Struct("<iii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A symbol that modules may use by its name."""

    name: str
    gpl: bool
    module: str | None  # that exports the symbol; None: vmlinux
    namespace: str | None  # None: in no namespace


def read_exports(elf: Elf, known: Collection[tuple[str, int]]) -> tuple[Export, ...]:
    """Return what vmlinux exports; each must be in kallsyms (``known``) with the same address."""
    exports = []
    for table in (section for section in elf.sections if section.name in _TABLES):
        content = elf.content(table)
        if len(content) % _EXPORT.size:
            raise FactsError(f"{elf.what}: {table.name} is {len(content)} bytes long")
        strings = elf.section("__ksymtab_strings")
        texts = elf.content(strings)
        at = table.address
        flags = _flags(elf, table, len(content) // _EXPORT.size)
        for (value, label, space), gpl in zip(_EXPORT.iter_unpack(content), flags, strict=True):
            name = _text(texts, at + 4 + label - strings.address)
            address = (at + value) % (1 << 64)
            if name is None or (name, address) not in known:
                raise FactsError(
                    f"{elf.what}: {table.name} has {name!r} at {address:#x}, kallsyms does not"
                )
            namespace = _text(texts, at + 8 + space - strings.address) if space else None
            if space and namespace is None:
                raise FactsError(f"{elf.what}: {table.name} has no namespace for {name}")
            exports.append(Export(name=name, gpl=gpl, module=None, namespace=namespace or None))
            at += _EXPORT.size
    return tuple(exports)


def _flags(elf: Elf, table: Section, count: int) -> list[bool]:
    """Return whether each entry of ``table`` is only for GPL modules."""
    found = next((one for one in elf.sections if one.name == _FLAGS), None)
    if found is None or _TABLES[table.name]:
        return [_TABLES[table.name]] * count
    flags = elf.content(found)
    if len(flags) != count:
        raise FactsError(f"{elf.what}: {_FLAGS} has {len(flags)} entries, {table.name} {count}")
    return [bool(flag & _GPL) for flag in flags]


def _text(texts: bytes, start: int) -> str | None:
    if not 0 <= start < len(texts):
        return None
    return texts[start : texts.find(b"\0", start)].decode("ascii", errors="replace")


def find_export(symvers: Path, name: str) -> Export | None:
    """Return how Module.symvers exports ``name``; None if it does not, or there is no file.

    Documentation/kbuild/modules.rst (v6.1): tabs separate CRC, symbol, module, kind and namespace.
    """
    try:
        state = symvers.stat()
        rest = _listed(symvers, (state.st_mtime_ns, state.st_size)).get(name)
    except OSError:
        return None
    if rest is None:
        return None
    module, _, rest = rest.partition("\t")
    kind, _, namespace = rest.partition("\t")
    if not kind.startswith("EXPORT_SYMBOL"):
        raise FactsError(f"{symvers}: cannot read the line of {name}")
    place = module.rpartition("/")[2].replace("-", "_")
    return Export(
        name=name,
        gpl=kind.endswith("_GPL"),
        module=None if place == "vmlinux" else place,
        namespace=namespace or None,
    )


@functools.lru_cache(maxsize=4)
def _listed(symvers: Path, _state: object) -> dict[str, str]:
    """Map each name of a Module.symvers to the rest of its line; ``_state`` keys the cache."""
    lines = (line.split("\t", 2) for line in symvers.read_text().splitlines())
    return {words[1]: words[2] for words in lines if len(words) == 3 and words[0].startswith("0x")}
