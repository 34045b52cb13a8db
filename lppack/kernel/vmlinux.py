# SPDX-License-Identifier: MIT
"""All facts of a vmlinux: kallsyms with the table of ftrace sites, exports, and BTF."""

import struct
from array import array
from collections import Counter
from collections.abc import Sequence

from lppack.kernel import kallsyms
from lppack.kernel.btf_check import as_compiled, check
from lppack.kernel.cache import Decoded
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.exports import read_exports
from lppack.kernel.symbols import ENDBR_SIZE, Symbol


def decode(elf: Elf) -> Decoded:
    """Decode all that is cached of a kernel. Raise FactsError if tables contradict each other."""
    symbols = read_symbols(elf)
    exports = read_exports(elf, {(symbol.name, symbol.address) for symbol in symbols})
    if not any(section.name == ".BTF" for section in elf.sections):
        return Decoded(
            symbols=symbols, exports=exports, btf=b"", offsets=array("I"), functions=(), types=()
        )
    checked = check(elf.content(elf.section(".BTF")), elf.what)
    # Each function in BTF must be in kallsyms, at least as a changed copy of the compiler's.
    names = {symbol.name for symbol in symbols}
    names |= {name.partition(".")[0] for name in names if "." in name}
    functions = as_compiled(checked.functions, names)
    unknown = [name for name, _ in functions if name not in names]
    if unknown:
        raise FactsError(f"{elf.what}: its BTF has a function {unknown[0]!r}, but kallsyms not")
    return Decoded(
        symbols=symbols,
        exports=exports,
        btf=checked.btf.data,
        offsets=checked.offsets,
        functions=functions,
        types=checked.types,
    )


def read_symbols(elf: Elf) -> tuple[Symbol, ...]:
    """Return every symbol of the kernel, in the order of /proc/kallsyms."""
    entries = kallsyms.decode(elf)
    bounds = _bounds(entries, elf.what)
    sites = _sites(elf, bounds["__start_mcount_loc"], bounds["__stop_mcount_loc"])
    init = range(bounds["__init_begin"], bounds["__init_end"])
    if not init:
        raise FactsError(f"{elf.what}: the init range is empty")
    # From 6.16 on, per-CPU symbols have ordinary addresses, of a template in the init range. Each
    # processor has a copy of the template.
    per_cpu = range(bounds.get("__per_cpu_start", 0), bounds.get("__per_cpu_end", 0))
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
                init=entry.address in init and entry.address not in per_cpu,
                size=size,
            )
        )
    if not any(symbol.traceable for symbol in symbols):
        raise FactsError(f"{elf.what}: no symbol has an ftrace site")
    return tuple(symbols)


# include/asm-generic/vmlinux.lds.h (v6.1): MCOUNT_REC(), and the linker script's init range.
_BOUNDS = ("__start_mcount_loc", "__stop_mcount_loc", "__init_begin", "__init_end")
_PER_CPU = ("__per_cpu_start", "__per_cpu_end")


def _bounds(entries: Sequence[kallsyms.KallsymsEntry], what: str) -> dict[str, int]:
    wanted = {*_BOUNDS, *_PER_CPU}
    found = {entry.name: entry.address for entry in entries if entry.name in wanted}
    for name in _BOUNDS:
        if name not in found:
            raise FactsError(
                f"{what}: kallsyms has no {name}",
                hint="the kernel needs CONFIG_KALLSYMS_ALL and CONFIG_DYNAMIC_FTRACE",
            )
    return found


def _sites(elf: Elf, start: int, stop: int) -> frozenset[int]:
    """Return the addresses of all calls to __fentry__."""
    if stop <= start or (stop - start) % 8:
        raise FactsError(f"{elf.what}: the table of ftrace sites is {stop - start} bytes long")
    # For overridden functions, scripts/sorttable.c of v6.15, and of 6.12.117 in Debian 13, writes 0
    # ("scripts/sorttable: Zero out weak functions in mcount_loc table"). Zeros are sorted first.
    table = struct.unpack(f"<{(stop - start) // 8}Q", elf.at(start, stop - start))
    sites = frozenset(table[table.count(0) if table[0] == 0 else 0 :])
    text = elf.section(".text").address
    if not sites or any(site < text for site in sites):
        raise FactsError(f"{elf.what}: an ftrace site lies before the code")
    return sites


def _sizes(entries: Sequence[kallsyms.KallsymsEntry]) -> list[int | None]:
    """Return distances to the next greater address: kernel/kallsyms.c, get_symbol_pos() (v6.1)."""
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
