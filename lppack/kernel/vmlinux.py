# SPDX-License-Identifier: MIT
"""Joins kallsyms of a vmlinux with its table of ftrace sites and its init range."""

import struct
from collections import Counter
from collections.abc import Sequence

from lppack.kernel import kallsyms
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.symbols import ENDBR_SIZE, Symbol


def read_symbols(elf: Elf) -> tuple[Symbol, ...]:
    """Every symbol of the kernel, in the order of /proc/kallsyms."""
    entries = kallsyms.decode(elf)
    _compare_exports(elf, entries)
    bounds = _bounds(entries, elf.what)
    sites = _sites(elf, bounds["__start_mcount_loc"], bounds["__stop_mcount_loc"])
    init_begin, init_end = bounds["__init_begin"], bounds["__init_end"]
    if not init_begin < init_end:
        raise FactsError(f"{elf.what}: the init range is empty")
    seen: Counter[str] = Counter()
    symbols = []
    for entry, size in zip(entries, _sizes(entries), strict=True):
        seen[entry.name] += 1
        # kernel/trace/ftrace.c (v6.1), ftrace_location(): a site between this symbol and the next.
        behind_endbr = (size is None or size > ENDBR_SIZE) and entry.address + ENDBR_SIZE in sites
        symbols.append(
            Symbol(
                name=entry.name,
                address=entry.address,
                type=entry.type,
                sympos=seen[entry.name],
                traceable=entry.address in sites or behind_endbr,
                init=init_begin <= entry.address < init_end,
                size=size,
            )
        )
    if not any(symbol.traceable for symbol in symbols):
        raise FactsError(f"{elf.what}: no symbol has an ftrace site")
    return tuple(symbols)


# include/linux/export.h (v6.1), struct kernel_symbol with CONFIG_HAVE_ARCH_PREL32_RELOCATIONS:
# value, name and namespace, each as its distance from the word itself.
_EXPORTS = ("__ksymtab", "__ksymtab_gpl")
_EXPORT = struct.Struct("<iii")


def _compare_exports(elf: Elf, entries: Sequence[kallsyms.Entry]) -> None:
    """What the kernel exports to modules stands in a second table: the two must agree."""
    known = {(entry.name, entry.address) for entry in entries}
    for table in (section for section in elf.sections if section.name in _EXPORTS):
        content = elf.content(table)
        if len(content) % _EXPORT.size:
            raise FactsError(f"{elf.what}: {table.name} is {len(content)} bytes long")
        strings = elf.section("__ksymtab_strings")
        texts = elf.content(strings)
        at = table.address
        for value, label, _ in _EXPORT.iter_unpack(content):
            start = at + 4 + label - strings.address
            name = texts[start : texts.find(b"\0", start)].decode("ascii", errors="replace")
            address = (at + value) % (1 << 64)
            if start < 0 or (name, address) not in known:
                raise FactsError(
                    f"{elf.what}: {table.name} has {name!r} at {address:#x}, kallsyms has not"
                )
            at += _EXPORT.size


# include/asm-generic/vmlinux.lds.h (v6.1): MCOUNT_REC(), and the linker script's init range.
_BOUNDS = ("__start_mcount_loc", "__stop_mcount_loc", "__init_begin", "__init_end")


def _bounds(entries: Sequence[kallsyms.Entry], what: str) -> dict[str, int]:
    found = {entry.name: entry.address for entry in entries if entry.name in _BOUNDS}
    for name in _BOUNDS:
        if name not in found:
            raise FactsError(
                f"{what}: kallsyms has no {name}",
                hint="the kernel needs CONFIG_KALLSYMS_ALL and CONFIG_DYNAMIC_FTRACE",
            )
    return found


def _sites(elf: Elf, start: int, stop: int) -> frozenset[int]:
    """Addresses of all calls to __fentry__."""
    if stop <= start or (stop - start) % 8:
        raise FactsError(f"{elf.what}: the table of ftrace sites is {stop - start} bytes long")
    sites = struct.unpack(f"<{(stop - start) // 8}Q", elf.at(start, stop - start))
    text = elf.section(".text").address
    if any(site < text for site in sites):
        raise FactsError(f"{elf.what}: an ftrace site lies before the code")
    return frozenset(sites)


def _sizes(entries: Sequence[kallsyms.Entry]) -> list[int | None]:
    """Distance to the next greater address: kernel/kallsyms.c, get_symbol_pos() (v6.1)."""
    sizes: list[int | None] = []
    following = current = None
    for entry in reversed(entries):
        if entry.address != current:
            following, current = current, entry.address
        # Per-CPU symbols are offsets from 0; the last of them does not reach up to the code.
        if following is None or (following ^ entry.address) >> 63:
            sizes.append(None)
        else:
            sizes.append(following - entry.address)
    sizes.reverse()
    return sizes
