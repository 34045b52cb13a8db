# SPDX-License-Identifier: MIT
"""The converter: what it makes, and each thing that it refuses."""

import struct
from collections.abc import Sequence

import pytest

from lppack import abi
from lppack.elf.livepatch import LivepatchSymbol, NotConvertible, convert, slots_of
from lppack.elf.module import read_module
from lppack.elf.rewrite import NotRewritable, Relocatable
from lppack.rules.module import faults
from lppack.rules.view import Against
from tests.kit import tiny_elf
from tests.kit.tiny_elf import Reloc

PC32, PLT32, ABS64 = 2, 4, 1
FOO = LivepatchSymbol(c_name="foo", object="vmlinux", name="foo", sympos=0)
ONE = LivepatchSymbol(c_name="foo_one", object="vmlinux", name="foo", sympos=1)
SLOT = LivepatchSymbol(c_name="__lp_conn_0", object="conn", name="conn_find", sympos=0)
OBJECTS = ("vmlinux", "conn")


def module(*relocations: Reloc, section: str = ".text", **changes: object) -> bytes:
    values: dict[str, object] = {
        "weak": ("foo", "foo_one", "__lp_conn_0"),
        "code": {section: bytes(32)},
        "relocations": {section: relocations},
        **changes,
    }
    return tiny_elf.module(**values)  # type: ignore[arg-type]


def tables(data: bytes) -> dict[str, Sequence[tuple[int, str]]]:
    file = Relocatable(data)
    return {
        section.name: [(e.offset, file.symbols[e.symbol].name) for e in file.relocations(section)]
        for section in file.sections
        if section.type == abi.SHT_RELA
    }


CALLS: tuple[Reloc, ...] = (
    (1, "_printk", PLT32, -4),
    (6, "foo", PLT32, -4),
    (11, "klp_enable_patch", PLT32, -4),
    (16, "foo_one", PC32, -4),
)


def test_relocations_are_split_and_symbols_named() -> None:
    made = convert(module(*CALLS), [FOO, ONE, SLOT], OBJECTS)
    assert tables(made) == {
        ".rela.text": [(1, "_printk"), (11, "klp_enable_patch")],
        ".klp.rela.vmlinux.text": [
            (6, ".klp.sym.vmlinux.foo,0"),
            (16, ".klp.sym.vmlinux.foo,1"),
        ],
    }
    assert faults(read_module(made), Against()) == []


def test_slots_of_a_module() -> None:
    data = module((8, "__lp_conn_0", ABS64, 0), section=slots_of("conn"))
    made = convert(data, [FOO, ONE, SLOT], OBJECTS)
    assert tables(made) == {
        ".rela.data..lp_slots.conn": [],
        ".klp.rela.conn.data..lp_slots.conn": [(8, ".klp.sym.conn.conn_find,0")],
    }
    assert faults(read_module(made), Against()) == []


def test_a_slot_for_what_the_module_depends_on() -> None:
    third = LivepatchSymbol(
        c_name="__lp_conn_0", object="conn", name="get", sympos=0, module="base"
    )
    made = convert(module((8, "__lp_conn_0", ABS64, 0), section=slots_of("conn")), [third], OBJECTS)
    assert tables(made)[".klp.rela.conn.data..lp_slots.conn"] == [(8, ".klp.sym.base.get,0")]


def test_what_pyelftools_reads() -> None:
    made = read_module(convert(module(*CALLS), [FOO, ONE, SLOT], OBJECTS))
    (table,) = (table for table in made.relocations if table.livepatch)
    assert (table.section, table.target, table.allocated) == (
        ".klp.rela.vmlinux.text",
        ".text",
        True,
    )
    assert table.symbols == ((".klp.sym.vmlinux.foo,0", True), (".klp.sym.vmlinux.foo,1", True))
    assert (table.beyond, table.types) == (0, (PLT32, PC32))
    assert made.weak == ()


def test_the_same_bytes_on_every_run() -> None:
    runs = {convert(module(*CALLS), [FOO, ONE, SLOT], OBJECTS) for _ in range(3)}
    assert len(runs) == 1


def test_what_is_written_out_unchanged_reads_the_same() -> None:
    data = module(*CALLS)
    once = Relocatable(data).to_bytes()
    assert Relocatable(once).to_bytes() == once
    assert read_module(once) == read_module(data)


REFUSED: dict[str, tuple[bytes, Sequence[LivepatchSymbol], str]] = {
    "signed": (module(*CALLS) + abi.MODULE_SIGNATURE, [FOO], "is signed"),
    "a section of livepatch relocations": (
        module(relocations={".klp.rela.vmlinux.text for .text": []}),
        [FOO],
        "section .klp.rela.vmlinux.text: it was converted already",
    ),
    "a livepatch symbol": (
        module(livepatch=[".klp.sym.vmlinux.foo,0"]),
        [FOO],
        "symbol .klp.sym.vmlinux.foo,0: it was converted already",
    ),
    "a symbol that a source defines": (
        module(weak=[], defined={"foo": ".text"}, relocations={}),
        [FOO],
        "symbol foo: is listed as one of vmlinux, and a source defines it",
    ),
    "an object that the patch does not have": (
        module(),
        [LivepatchSymbol(c_name="foo", object="ext4", name="foo", sympos=0)],
        "symbol foo: ext4 is not an object of this patch",
    ),
    "a relocation that the loader does not know": (
        module((6, "foo", 9, -4)),
        [FOO],
        "symbol foo of vmlinux, section .text+0x6: the kernel knows no relocation of type 9",
    ),
    "bytes that are not zero": (
        module((6, "foo", PLT32, -4), code={".text": b"\1" * 16}),
        [FOO],
        "symbol foo of vmlinux, section .text+0x6: the kernel wants zeros",
    ),
    "a section that is not loaded": (
        module((0, "foo", ABS64, 0), code={}, parts={".debug": bytes(8)}, section=".debug"),
        [FOO],
        "symbol foo of vmlinux, section .debug+0x0: the kernel does not relocate",
    ),
    "the kernel's own struct module": (
        module((0, "foo", ABS64, 0), section=abi.MODULE_STRUCT),
        [FOO],
        "the kernel does not relocate that section",
    ),
    "code that calls into a module": (
        module((6, "__lp_conn_0", PLT32, -4)),
        [SLOT],
        "symbol __lp_conn_0 of conn, section .text+0x6: would be applied after",
    ),
    "a jump table of a module": (
        module((0, "__lp_conn_0", 24, 0), section="__jump_table"),
        [SLOT],
        "section __jump_table+0x0: would be applied after",
    ),
    "the slots of another module": (
        module((0, "__lp_conn_0", ABS64, 0), section=slots_of("other")),
        [SLOT],
        "go through its slot",
    ),
    "a slot that is not the symbol itself": (
        module((0, "__lp_conn_0", ABS64, 8), section=slots_of("conn")),
        [SLOT],
        "go through its slot",
    ),
    "what is no ELF file": (b"MZ" + bytes(100), [FOO], "is not a relocatable x86-64 file"),
    "half of one": (module(*CALLS)[:700], [FOO], ""),
    "a symbol beyond the table": (
        module((6, 99, PLT32, -4)),
        [FOO],
        ".rela.text names a symbol that is not in the table",
    ),
}


@pytest.mark.parametrize("title", REFUSED)
def test_refused(title: str) -> None:
    data, wanted, says = REFUSED[title]
    with pytest.raises(NotConvertible) as error:
        convert(data, wanted, OBJECTS)
    assert says in error.value.message
    assert error.value.hint
    assert error.value.exit_code == 5


def test_all_that_is_wrong_is_told_at_once() -> None:
    data = module((6, "foo", 9, -4), (11, "__lp_conn_0", PLT32, -4))
    with pytest.raises(NotConvertible) as error:
        convert(data, [FOO, ONE, SLOT], OBJECTS)
    assert len(error.value.message.splitlines()) == 2


@pytest.mark.parametrize("size", range(0, 900, 7))
def test_any_cut_file_is_refused_or_reads_the_same(size: int) -> None:
    data = module(*CALLS)
    try:
        made = Relocatable(data[:size] + bytes(len(data) - size))
    except NotRewritable:
        return
    assert len(made.to_bytes()) >= 64


def test_the_number_of_a_symbol_fits_its_entry() -> None:
    """What strip does: the table shrinks, livepatch relocations keep their numbers."""
    data = bytearray(convert(module(*CALLS), [FOO, ONE, SLOT], OBJECTS))
    file = Relocatable(bytes(data))
    table = file.sections[-1]
    at = bytes(data).index(table.data)
    struct.pack_into("<Q", data, at + 8, 77 << 32 | PLT32)
    (found,) = faults(read_module(bytes(data)), Against())
    assert "names 1 symbols that are not in the symbol table" in found
