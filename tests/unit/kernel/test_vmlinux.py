# SPDX-License-Identifier: MIT
"""Every symbol gets its copies counted, its ftrace site and its init range."""

import struct

import pytest

from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.exports import Export
from lppack.kernel.kallsyms import KallsymsEntry
from lppack.kernel.symbols import Symbol
from lppack.kernel.vmlinux import decode, read_symbols
from tests.kit import fake_image as fake


def read(
    entries: tuple[KallsymsEntry, ...], sites: tuple[int, ...] = fake.SITES
) -> tuple[Symbol, ...]:
    return read_symbols(Elf(fake.vmlinux(fake.encode(entries), sites), "vmlinux"))


def test_symbols() -> None:
    symbols = read(fake.with_sites(fake.SYMBOLS, len(fake.SITES)))
    traceable = [s.name for s in symbols if s.traceable]
    assert traceable == [
        "alpha_open",
        "s_show",
        "beta_open",
        "split_me.isra.0",
        "proc_name_show",
        "proc_name_alias",
        "after_tiny",
        "with_endbr",
        "start_here",
    ]
    assert [(s.sympos, s.traceable) for s in symbols if s.name == "s_show"] == [
        (1, True),
        (2, False),
    ]
    assert {s.name for s in symbols if s.init} == {
        "__init_begin",
        "start_here",
        "__start_mcount_loc",
        "__stop_mcount_loc",
    }
    sizes = {s.name: s.size for s in symbols}
    assert sizes["proc_name_show"] == sizes["proc_name_alias"] == 0x40
    assert sizes["tiny"] == 4
    assert sizes["cpu_number"] is None
    assert sizes["__init_end"] is None


def test_a_per_cpu_variable_outlives_the_boot() -> None:
    """In 6.16 and later their template lies in the init range."""
    entries = fake.with_sites(fake.SYMBOLS, len(fake.SITES))
    at = fake.INIT_DATA + 0x1800
    template = (
        KallsymsEntry(at, "D", "__per_cpu_start"),
        KallsymsEntry(at + 8, "D", "sd_llc_size"),
        KallsymsEntry(at + 64, "D", "__per_cpu_end"),
        KallsymsEntry(at + 64, "D", "behind"),
    )
    symbols = read(tuple(sorted((*entries, *template), key=lambda e: e.address)))
    assert {s.name: s.init for s in symbols if s.name in ("sd_llc_size", "behind")} == {
        "sd_llc_size": False,
        "behind": True,
    }


@pytest.mark.parametrize(
    "name", ("__start_mcount_loc", "__stop_mcount_loc", "__init_begin", "__init_end")
)
def test_a_kernel_without_a_boundary_is_refused(name: str) -> None:
    entries = fake.with_sites(fake.SYMBOLS, len(fake.SITES))
    with pytest.raises(FactsError, match=name):
        read(tuple(e for e in entries if e.name != name))


def moved(name: str, address: int) -> tuple[KallsymsEntry, ...]:
    entries = fake.with_sites(fake.SYMBOLS, len(fake.SITES))
    changed = [KallsymsEntry(address, e.type, e.name) if e.name == name else e for e in entries]
    return tuple(sorted(changed, key=lambda e: e.address))


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (moved("__stop_mcount_loc", fake.INIT_DATA + 12), "12 bytes long"),
        (moved("__stop_mcount_loc", fake.INIT_DATA), "0 bytes long"),
        (moved("__stop_mcount_loc", fake.INIT_DATA + 0x4000), "holds no"),
        (moved("__stop_mcount_loc", fake.INIT_DATA + 0x1000), "before the code"),
        (moved("__init_end", fake.INIT - 8), "init range is empty"),
    ],
)
def test_tables_that_cannot_be_are_refused(entries: tuple[KallsymsEntry, ...], says: str) -> None:
    with pytest.raises(FactsError, match=says):
        read(entries)


def test_sites_that_fit_no_symbol_are_refused() -> None:
    entries = fake.with_sites(fake.SYMBOLS, 1)
    with pytest.raises(FactsError, match="no symbol has an ftrace site"):
        read(entries, (fake.TEXT + 0x3FF,))


def test_a_table_of_zeros_is_refused() -> None:
    assert struct.unpack("<Q", bytes(8)) == (0,)
    with pytest.raises(FactsError, match="before the code"):
        read(fake.with_sites(fake.SYMBOLS, 8), (0,) * 8)


def test_sites_of_overridden_functions_are_zeros_that_come_first() -> None:
    """scripts/sorttable.c sorts the table after it has put them out (v6.15)."""

    def traceable(symbols: tuple[Symbol, ...]) -> list[str]:
        return [symbol.name for symbol in symbols if symbol.traceable]

    entries = fake.with_sites(fake.SYMBOLS, len(fake.SITES) + 2)
    plain = read(fake.with_sites(fake.SYMBOLS, len(fake.SITES)))
    assert traceable(read(entries, (0, 0, *fake.SITES))) == traceable(plain)
    with pytest.raises(FactsError, match="before the code"):
        read(entries, (0, *fake.SITES, 0))


def read_exporting(name: str, address: int) -> tuple[Export, ...]:
    tables = fake.encode(fake.with_sites(fake.SYMBOLS, len(fake.SITES)))
    exports = [*fake.EXPORTS, (name, address)]
    return decode(Elf(fake.vmlinux(tables, exports=exports), "vmlinux")).exports


def test_exports_agree_with_kallsyms() -> None:
    assert read_exporting("alpha_open", fake.TEXT + 0x100)[-1] == Export(
        name="alpha_open", gpl=False, module=None, namespace=None
    )
    with pytest.raises(FactsError, match="'alpha_open' at .*, kallsyms does not"):
        read_exporting("alpha_open", fake.TEXT + 0x101)
    with pytest.raises(FactsError, match="'alpha_close' at .*, kallsyms does not"):
        read_exporting("alpha_close", fake.TEXT + 0x100)
