# SPDX-License-Identifier: MIT
"""A linked module beside kbuild's: the same, or named."""

import struct

import pytest

from lppack.elf.compare import differences
from lppack.elf.livepatch import LivepatchSymbol, convert
from lppack.elf.rewrite import Relocatable
from tests.kit import tiny_elf

FOO = LivepatchSymbol(c_name="foo", object="vmlinux", name="foo_of_the_kernel", sympos=2)
RESOLVED = {FOO.c_name: FOO.klp_name}
KBUILT = tiny_elf.module(
    weak=["foo"],
    defined={"text": ".rodata.text"},
    code={".text": bytes(32), ".rodata.text": b"one text, and another"},
    relocations={".text": [(1, "_printk", 4, -4), (8, "text", 2, 4), (16, "foo", 4, -4)]},
)


def test_what_is_converted_is_the_same() -> None:
    assert differences(KBUILT, convert(KBUILT, [FOO], ["vmlinux"]), RESOLVED) == ()


def changed(table: str, offset: int, number: int, value: int) -> bytes:
    """The converted module with one word (offset, info, addend) of one relocation changed."""
    data = bytearray(convert(KBUILT, [FOO], ["vmlinux"]))
    section = next(one for one in Relocatable(bytes(data)).sections if one.name == table)
    at = data.find(section.data)
    assert data.count(section.data) == 1
    entries = list(struct.iter_unpack("<QQq", section.data))
    entry = next(n for n, one in enumerate(entries) if one[0] == offset)
    struct.pack_into("<q", data, at + 24 * entry + 8 * number, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("table", "offset", "number", "value", "said"),
    [
        # It loads, and prints the other text.
        (".rela.text", 8, 2, 10, ".text+0x8: leads to text+0xa, unlike kbuild's"),
        (".rela.text", 1, 0, 2, ".text+0x2: leads to _printk-0x4, unlike kbuild's"),
        (
            ".klp.rela.vmlinux.text",
            16,
            2,
            0,
            ".text+0x10: leads to .klp.sym.vmlinux.foo_of_the_kernel,2+0x0, unlike kbuild's",
        ),
    ],
)
def test_a_relocation_that_leads_elsewhere(
    table: str, offset: int, number: int, value: int, said: str
) -> None:
    found = differences(KBUILT, changed(table, offset, number, value), RESOLVED)
    assert found[0] == said
    assert "no longer leads to" in found[1]


def test_a_symbol_of_another_position() -> None:
    other = LivepatchSymbol(c_name="foo", object="vmlinux", name="foo_of_the_kernel", sympos=1)
    found = differences(KBUILT, convert(KBUILT, [other], ["vmlinux"]), RESOLVED)
    assert ".klp.sym.vmlinux.foo_of_the_kernel,1" in found[0]


def test_a_symbol_that_moved() -> None:
    """Its name and the relocation are as they were; the place is another."""
    data = bytearray(convert(KBUILT, [FOO], ["vmlinux"]))
    file = Relocatable(bytes(data))
    at = next(n for n, one in enumerate(file.symbols) if one.name == "text")
    start = data.find(next(one for one in file.sections if one.name == ".symtab").data)
    struct.pack_into("<Q", data, start + 24 * at + 8, 9)
    assert "leads to text" in differences(KBUILT, bytes(data), RESOLVED)[0]


def test_other_bytes() -> None:
    data = convert(KBUILT, [FOO], ["vmlinux"]).replace(b"and another", b"and a third")
    assert differences(KBUILT, data, RESOLVED) == (".rodata.text: other bytes",)


def test_a_lost_relocation() -> None:
    other = tiny_elf.module(
        weak=["foo"],
        defined={"text": ".rodata.text"},
        code={".text": bytes(32), ".rodata.text": b"one text, and another"},
        relocations={".text": [(1, "_printk", 4, -4), (16, "foo", 4, -4)]},
    )
    found = differences(KBUILT, convert(other, [FOO], ["vmlinux"]), RESOLVED)
    assert found == (".text+0x8: no longer leads to text+0x4",)
