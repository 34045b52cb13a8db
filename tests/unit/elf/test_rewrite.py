# SPDX-License-Identifier: MIT
"""A relocatable file, taken apart and put together again."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.elf.rewrite import NotRewritable, Relocatable, Relocation
from lppack.kernel.elf64 import Elf
from tests.kit import tiny_elf

WHOLE = tiny_elf.module(
    undefined=["_printk", "other"],
    defined={"f": (".text", 2, 5)},
    code={".text": b"0123456789"},
    relocations={".text": [(3, "_printk", 4, -4)]},
)


def test_unchanged_it_reads_the_same_and_stays_the_same() -> None:
    once = Relocatable(WHOLE).to_bytes()
    assert Relocatable(once).to_bytes() == once
    before, after = Elf(WHOLE, "before"), Elf(once, "after")
    assert before.symbols() == after.symbols()
    for old, new in zip(before.sections, after.sections, strict=True):
        assert (old.name, old.type, old.flags, old.link, old.info) == (
            *(new.name, new.type, new.flags, new.link, new.info),
        )
        assert before.content(old) == after.content(new)


def section(file: Relocatable, name: str) -> int:
    return next(n for n, one in enumerate(file.sections) if one.name == name)


def test_a_symbol_has_another_name_and_others_keep_theirs() -> None:
    file = Relocatable(WHOLE)
    file.rename(file.symbols[1], ".klp.sym.vmlinux._printk,0")
    names = [symbol.name for symbol in Elf(file.to_bytes(), "x").symbols()]
    assert names == ["", ".klp.sym.vmlinux._printk,0", "other", "f"]


def test_relocations_are_taken_out_and_put_into_another_section() -> None:
    file = Relocatable(WHOLE)
    rela = file.sections[section(file, ".rela.text")]
    entries = file.relocations(rela)
    assert entries == [Relocation(3, 1, 4, -4)]
    assert file.target(rela) is file.sections[section(file, ".text")]
    file.set_relocations(rela, [])
    file.add_relocations(".klp.rela.vmlinux..text", section(file, ".text"), 0x100042, entries)
    made = Elf(file.to_bytes(), "x")
    new = made.section(".klp.rela.vmlinux..text")
    assert (new.flags, new.info) == (0x100042, made.section(".text").index)
    assert [*made.relocations_in(new)] == [(3, 1, 4, -4)]
    assert made.section(".rela.text").size == 0


def test_sections_are_where_their_alignment_wants_them() -> None:
    file = Relocatable(WHOLE)
    for number, one in enumerate(file.sections):
        one.align = 1 << (number % 7)
    made = Elf(file.to_bytes(), "x")
    for old, new in zip(file.sections, made.sections, strict=True):
        assert not new.type or new.offset % old.align == 0
    used = sorted((s.offset, s.size) for s in made.sections if s.size)
    assert all(at + size <= next_ for (at, size), (next_, _) in pairwise(used))


def changed(offset: int, code: str, value: int) -> bytes:
    made = bytearray(WHOLE)
    struct.pack_into(code, made, offset, value)
    return bytes(made)


def header(name: str) -> int:
    start: int = struct.unpack_from("<Q", WHOLE, 0x28)[0]
    return start + 64 * section(Relocatable(WHOLE), name)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is damaged"),
        (WHOLE[:40], "is damaged"),
        (tiny_elf.module(type_=tiny_elf.EXECUTABLE), "is not a relocatable x86-64 file"),
        (tiny_elf.module(machine=tiny_elf.AARCH64), "is not a relocatable x86-64 file"),
        (changed(header(".text") + 0x18, "<Q", len(WHOLE) - 1), "is cut short in section .text"),
        (changed(header(".text") + 0x20, "<Q", 1 << 30), "has sections that are together longer"),
        (
            changed(header(".text") + 0x20, "<Q", len(WHOLE)),
            "has sections that are together longer",
        ),
        (changed(0x28, "<Q", 1 << 63), "is damaged"),
        (changed(header(".symtab") + 4, "<I", 1), "has 0 symbol tables"),
        (changed(header(".text") + 4, "<I", 2), "has 2 symbol tables"),
        (changed(0x3E, "<H", 99), "is damaged"),
    ],
)
def test_what_cannot_be_written_again_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(NotRewritable, match=says) as caught:
        Relocatable(data)
    assert caught.value.exit_code == 5


def test_a_name_is_as_long_as_the_kernel_could_have_it() -> None:
    file = Relocatable(WHOLE)
    file.rename(file.symbols[-1], "n" * 1024)
    assert Relocatable(file.to_bytes()).symbols[-1].name == "n" * 1024
    file.rename(file.symbols[-1], "n" * 1025)
    with pytest.raises(NotRewritable, match="has a name of more than 1024 bytes"):
        Relocatable(file.to_bytes())


def test_a_relocation_without_its_symbol_or_its_section_is_refused() -> None:
    file = Relocatable(WHOLE)
    rela = file.sections[section(file, ".rela.text")]
    file.set_relocations(rela, [Relocation(3, 99, 4, -4)])
    with pytest.raises(NotRewritable, match="a symbol that is not in the table"):
        file.relocations(rela)
    rela.data = rela.data[:-1]
    with pytest.raises(NotRewritable, match="ends within an entry"):
        file.relocations(rela)
    for number in (0, 99):
        rela.info = number
        with pytest.raises(NotRewritable, match="a section that does not exist"):
            file.target(rela)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_damage_is_a_refusal_or_can_be_read(data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        file = Relocatable(bytes(content))
        for one in file.sections:
            if one.type == 4:
                file.relocations(one)
    except NotRewritable as error:
        assert error.message
