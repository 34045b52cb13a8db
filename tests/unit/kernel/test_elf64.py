# SPDX-License-Identifier: MIT
"""ELF files: what is read of them, and that no damage is more than an error."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.kernel.elf64 import SHT_NOBITS, SHT_RELA, SHT_SYMTAB, Elf
from lppack.kernel.errors import FactsError
from tests.kit import tiny_elf

WHOLE = tiny_elf.module(
    undefined=["_printk"],
    defined={"f": (".text", 2, 5)},
    code={".text": b"0123456789"},
    relocations={".text": [(3, "_printk", 4, -4), (8, "f", 2, 16)]},
)


def test_sections_symbols_and_relocations() -> None:
    elf = Elf(WHOLE, "x.ko")
    text = elf.section(".text")
    assert elf.content(text) == b"0123456789"
    first, printk, f = elf.symbols()
    assert (first.name, printk.name, printk.section) == ("", "_printk", 0)
    assert (f.name, f.value, f.size, f.section) == ("f", 2, 5, text.index)
    assert [*elf.relocations(text)] == [(3, 1, 4, -4), (8, 2, 2, 16)]
    assert [*elf.relocations(elf.section(".modinfo"))] == []


def test_a_section_that_is_not_there_is_named() -> None:
    with pytest.raises(FactsError, match=r"x\.ko has no section \.data"):
        Elf(WHOLE, "x.ko").section(".data")


def changed(offset: int, code: str, value: int, data: bytes = WHOLE) -> bytes:
    made = bytearray(data)
    struct.pack_into(code, made, offset, value)
    return bytes(made)


def header_of(name: str, data: bytes = WHOLE) -> int:
    """Where the header of a section is."""
    return int(struct.unpack_from("<Q", data, 0x28)[0]) + 64 * Elf(data, "x").section(name).index


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not a 64-bit"),
        (b"#!/bin/sh\n", "is not a 64-bit"),
        (WHOLE[:63], "is not a 64-bit"),
        (changed(4, "<B", 1), "is not a 64-bit"),  # ELFCLASS32
        (changed(5, "<B", 2), "is not a 64-bit"),  # big-endian
        (changed(0x12, "<H", tiny_elf.AARCH64), "is not for x86-64"),
        (changed(0x28, "<Q", 1 << 40), "is cut short"),  # e_shoff
        (changed(0x3A, "<H", 40), "has no section headers"),  # e_shentsize
        (changed(0x3C, "<H", 0), "has no section headers"),  # e_shnum
        (changed(0x3E, "<H", 900), "has no section headers"),  # e_shstrndx
        (changed(header_of(".text") + 0x20, "<Q", 1 << 40), "ends behind the file's end"),
        (changed(header_of(".text") + 0x18, "<Q", 1 << 40), "ends behind the file's end"),
    ],
)
def test_what_cannot_be_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(FactsError, match=says) as caught:
        Elf(data, "x.ko")
    assert caught.value.message.startswith("x.ko ")


@pytest.mark.parametrize(
    ("offset", "value"), [(0x20, 25), (0x28, 9999)], ids=["half an entry", "no table of strings"]
)
def test_a_damaged_table_of_symbols_is_refused(offset: int, value: int) -> None:
    code = "<Q" if offset == 0x20 else "<I"
    elf = Elf(changed(header_of(".symtab") + offset, code, value), "x.ko")
    with pytest.raises(FactsError, match=r"\.symtab is damaged"):
        elf.symbols()


def test_a_damaged_table_of_relocations_is_refused() -> None:
    at = header_of(".rela.text")
    elf = Elf(changed(at + 0x20, "<Q", 25), "x.ko")
    table = next(s for s in elf.sections if s.type == SHT_RELA)
    with pytest.raises(FactsError, match=r"\.rela\.text is damaged"):
        [*elf.relocations_in(table)]
    elf = Elf(changed(at + 0x2C, "<I", 9999), "x.ko")
    with pytest.raises(FactsError, match="is damaged"):
        [*elf.relocations_in(next(s for s in elf.sections if s.type == SHT_RELA))]


def test_a_stripped_file_has_no_symbols() -> None:
    at = header_of(".symtab")
    assert Elf(changed(at + 4, "<I", 1), "x.ko").symbols() == ()
    assert next(s.type for s in Elf(WHOLE, "x").sections if s.name == ".symtab") == SHT_SYMTAB


def test_what_takes_no_room_in_the_file_is_empty() -> None:
    """And its size is not that of the file."""
    at = header_of(".text")
    data = changed(at + 0x20, "<Q", 1 << 40, changed(at + 4, "<I", SHT_NOBITS))
    elf = Elf(data, "x.ko")
    assert elf.content(elf.section(".text")) == b""


def test_bytes_by_their_address() -> None:
    data = changed(header_of(".text") + 0x10, "<Q", 0xFFFFFFFF81000000)
    elf = Elf(data, "vmlinux")
    assert elf.at(0xFFFFFFFF81000003, 4) == b"3456"
    assert elf.at(0xFFFFFFFF81000000, 10) == b"0123456789"
    for address, size in ((0xFFFFFFFF81000007, 4), (0xFFFFFFFF80FFFFFF, 1), (1 << 63, 1)):
        with pytest.raises(FactsError, match=f"holds no {size} bytes at address {address:#x}"):
            elf.at(address, size)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_no_damage_is_more_than_an_error(data: st.DataObject) -> None:
    content = bytearray(WHOLE[: data.draw(st.integers(0, len(WHOLE)))])
    for _ in range(data.draw(st.integers(0, 4)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        elf = Elf(bytes(content), "x.ko")
        elf.symbols()
        for section in elf.sections:
            elf.content(section)
            list(elf.relocations(section))
    except FactsError as error:
        assert error.exit_code == 4
