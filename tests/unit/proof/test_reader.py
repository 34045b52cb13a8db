# SPDX-License-Identifier: MIT
"""Two compilations of a function are equal exactly where they do the same in the same way."""

import struct
from collections.abc import Sequence

import pytest

from lppack.kernel.errors import FactsError
from lppack.proof.objects import Function, ObjectFile
from lppack.proof.reader import read_object
from tests.unit.proof.read import STRINGS, F, function, read, uses
from tests.unit.proof.tiny_object import (
    CALL,
    FENTRY,
    FUNC,
    JUMP,
    LEA_DI,
    LOCAL,
    MOV_DI,
    NOTYPE,
    OBJECT,
    R_32S,
    R_64,
    R_PC32,
    R_PLT32,
    RET,
    Reloc,
    Sect,
    Sym,
    build,
)


def test_what_is_no_object_file_is_refused() -> None:
    with pytest.raises(FactsError, match=r"a\.o is not a 64-bit"):
        read_object(b"int main;", "a.o")


# -- strings and constants


def prints(text: bytes, before: bytes = b"", *, relative: bool = False) -> Function:
    """f() { printk(text); }, with ``before`` in front of the string."""
    strings = Sect(STRINGS, before + text + b"\0")
    at = len(before)
    load, reloc = (LEA_DI, (8, STRINGS, R_PC32, at - 4)) if relative else (MOV_DI, None)
    code = FENTRY + load + CALL + RET
    relocs = [
        (1, "__fentry__", R_PLT32, -4),
        reloc or (8, STRINGS, R_32S, at),
        (13, "_printk", R_PLT32, -4),
    ]
    return function(code, relocs, strings)


@pytest.mark.parametrize("relative", [False, True])
def test_strings_may_stand_elsewhere_but_not_differ(relative: bool) -> None:
    one = prints(b"count %d\n", relative=relative)
    assert one.key == prints(b"count %d\n", b"another\0", relative=relative).key
    assert one.key != prints(b"count %u\n", relative=relative).key
    assert one.key != prints(b"count %d\n!", relative=relative).key


def test_the_end_of_a_string_is_not_the_next_one() -> None:
    def end(following: bytes) -> Function:
        strings = Sect(STRINGS, b" flags\0" + following)
        text = Sym(".LC1", STRINGS, 0, 0, kind=NOTYPE, binding=LOCAL)
        code = FENTRY + MOV_DI + RET
        return function(code, [(8, ".LC1", R_32S, 7)], strings, symbols=[text])

    assert end(b"one\0").references[0].target == ("string", b" flags\0", 7)
    assert end(b"one\0").key == end(b"two\0").key


def test_a_file_is_named_as_in_the_tree() -> None:
    def named(text: bytes, tree: str) -> Function:
        sections = [Sect(F, FENTRY + MOV_DI + RET, [(8, STRINGS, R_32S, 0)]), Sect(STRINGS, text)]
        made = build(sections, [Sym("f", F, len(sections[0].content))])
        return read_object(made, "a.o", tree=tree).functions["f"]

    one = named(b"/one/mm/slab.h\0", "/one")
    assert one.key == named(b"/other/tree/mm/slab.h\0", "/other/tree").key
    assert one.key != named(b"/one/mm/slub.h\0", "/one").key
    assert one.key != named(b"/one/mm/slab.h\0", "").key


def constant(value: bytes, before: bytes = b"") -> Function:
    """f() with a 16-byte constant; movaps rel32(%rip), %xmm0."""
    name = ".rodata.cst16"
    code = b"\x0f\x28\x05\0\0\0\0" + RET
    at = len(before)
    return function(code, [(3, name, R_PC32, at - 4)], Sect(name, before + value + bytes(16)))


def test_constants_may_stand_elsewhere_but_not_differ() -> None:
    value = bytes(range(16))
    assert constant(value).key == constant(value, bytes(16)).key
    assert constant(value).key != constant(value[:-1] + b"\xff").key


def test_an_immediate_is_code() -> None:
    one = function(b"\xb8\1\0\0\0" + RET, [])
    assert one.key == function(b"\xb8\1\0\0\0" + RET, []).key
    assert one.key != function(b"\xb8\2\0\0\0" + RET, []).key


def test_a_table_of_a_switch_is_its_contents() -> None:
    one = uses("CSWTCH.3", ".rodata.CSWTCH.3", b"\1\2\3\4")
    assert one.key == uses("CSWTCH.88", ".rodata.CSWTCH.88", b"\1\2\3\4").key
    assert one.key != uses("CSWTCH.3", ".rodata.CSWTCH.3", b"\1\2\3\5").key
    assert one.key != uses("CSWTCH.3", ".rodata.CSWTCH.3", b"\1\2\3\4\5").key
    assert one.key != uses("CSWTCH.3", ".rodata.CSWTCH.3", b"\1\2\3\4", addend=1).key


def reports(number: int, content: bytes) -> ObjectFile:
    """An object whose f() names a place to UBSAN, by data with a label of the assembler's own."""
    name = f".data..Lubsan_data{number}"
    code = Sect(F, MOV_DI + RET, [(3, name, R_32S, 0)])
    return read([code, Sect(name, content)], [Sym("f", F, len(MOV_DI + RET))])


def test_what_ubsan_says_of_a_place_is_part_of_the_function() -> None:
    one, other = reports(7, b"sys.c 12"), reports(175, b"sys.c 12")
    assert one.functions["f"].key == other.functions["f"].key
    assert one.functions["f"].key != reports(7, b"sys.c 13").functions["f"].key
    assert one.others == {} and one.data == {}


# -- read-only data without a name


def jumps(places: Sequence[int], addend: int = 0) -> Function:
    """f() that jumps through a table of addresses in itself; jmp *table(,%rax,8)."""
    table = Sect(
        ".rodata", bytes(8 * len(places)), [(8 * n, F, R_64, to) for n, to in enumerate(places)]
    )
    code = b"\xff\x24\xc5\0\0\0\0" + RET * 8
    return function(code, [(3, ".rodata", R_32S, addend)], table)


def test_a_jump_table_is_what_it_leads_to() -> None:
    assert jumps([7, 8, 9]).key == jumps([7, 8, 9]).key
    assert jumps([7, 8, 9]).key != jumps([7, 9, 8]).key
    assert jumps([7, 8, 9]).key != jumps([7, 8]).key


def test_another_place_in_read_only_data_differs() -> None:
    assert jumps([7, 7, 7], 8).key == jumps([7, 7, 7], 8).key
    assert jumps([7, 7, 7], 8).key != jumps([7, 7, 7], 16).key


def test_contents_that_lead_to_themselves_end() -> None:
    ring = Sect(".rodata", bytes(8), [(0, ".rodata", R_64, 0)])
    one = function(MOV_DI + RET, [(3, ".rodata", R_32S, 0)], ring)
    other = Sect(".rodata", bytes(8), [(0, "g", R_64, 0)])
    assert one.key != function(MOV_DI + RET, [(3, ".rodata", R_32S, 0)], other).key


# -- other functions and variables


@pytest.mark.parametrize("whole", [False, True])
def test_a_symbol_and_its_section_are_the_same_target(whole: bool) -> None:
    # movb $1, rel32(%rip): the distance is counted from behind the immediate.
    code = b"\xc6\x05\0\0\0\0\1" + CALL + RET
    relocs = [
        (2, ".data.flag" if whole else "flag", R_PC32, -5),
        (8, ".text.g" if whole else "g", R_PLT32, -4),
    ]
    symbols = [Sym("flag", ".data.flag", 4, kind=OBJECT), Sym("g", ".text.g", 1)]
    one = function(
        code, relocs, Sect(".data.flag", bytes(4)), Sect(".text.g", RET), symbols=symbols
    )
    assert [r.target for r in one.references] == [("symbol", "flag", -5), ("symbol", "g", -4)]


@pytest.mark.parametrize(
    "reloc",
    [(1, "h", R_PLT32, -4), (1, "g", R_PLT32, 4), (1, "g", R_PC32, -4)],
)
def test_a_reference_to_something_else_differs(reloc: Reloc) -> None:
    one = function(CALL + RET, [(1, "g", R_PLT32, -4)])
    assert one.key == function(CALL + RET, [(1, "g", R_PLT32, -4)]).key
    assert one.key != function(CALL + RET, [reloc]).key


def side_by_side(distance: int, *, swapped: bool = False) -> Function:
    """f() that calls another one of its section, by a distance that the assembler has resolved."""
    call = b"\xe8" + struct.pack("<i", distance - 5) + RET
    symbols = [
        Sym("f", ".text", 6),
        Sym("h" if swapped else "g", ".text", 4, 8),
        Sym("g" if swapped else "h", ".text", 4, 12),
    ]
    return read([Sect(".text", call + bytes(2) + RET * 8)], symbols).functions["f"]


def test_calls_within_a_section_are_named() -> None:
    assert side_by_side(8).references[0].target == ("symbol", "g", -4)
    assert side_by_side(8).key == side_by_side(12, swapped=True).key
    assert side_by_side(8).key == function(CALL + RET, [(1, "g", R_PLT32, -4)]).key
    assert side_by_side(8).key != side_by_side(12).key
    assert side_by_side(8).key != side_by_side(9).key


def test_what_objtool_reads_does_not_count() -> None:
    plain = function(RET, [])
    found = read(
        [Sect(F, RET), Sect(".discard.reachable", bytes(4), [(0, F, R_PC32, 0)])],
        [Sym("f", F, 1)],
    )
    assert found.functions["f"].key == plain.key
    assert found.others == {}


# -- data


def data(content: bytes, relocs: Sequence[Reloc] = (), section: str = ".data.x") -> object:
    symbols = [Sym("x", section, len(content), kind=OBJECT)]
    return read([Sect(section, content, relocs)], symbols).data["x"].key


def test_data_is_its_contents_and_what_it_leads_to() -> None:
    table = [(0, "g", R_64, 0)]
    assert data(bytes(16), table) == data(bytes(16), table)
    assert data(bytes(16), table) != data(bytes(15) + b"\1", table)
    assert data(bytes(16), table) != data(bytes(16), [(8, "g", R_64, 0)])
    assert data(bytes(16), table) != data(bytes(16), [(0, "h", R_64, 0)])
    assert data(bytes(16), table) != data(bytes(16), [(0, "g", R_64, 8)])
    assert data(bytes(8), section=".bss.x") != data(bytes(16), section=".bss.x")


def test_variables_and_other_sections() -> None:
    sections = [
        Sect(".data.x", bytes(16), [(0, F, R_64, 0), (8, "x", R_64, 0)]),
        Sect(".rodata.y", b"\1\2\3\4"),
        Sect(".data.n.3", bytes(4)),
        Sect("__param", b"\1" * 8, [(0, "x", R_64, 0)]),
        Sect(F, MOV_DI + JUMP, [(3, "x", R_32S, 0), (8, "g", R_PLT32, -4)]),
    ]
    symbols = [
        Sym("x", ".data.x", 16, kind=OBJECT, binding=LOCAL),
        Sym("y", ".rodata.y", 4, kind=OBJECT),
        Sym("n.3", ".data.n.3", 4, kind=OBJECT, binding=LOCAL),
        Sym("f", F, 12, kind=FUNC),
    ]
    found = read(sections, symbols)
    assert {(d.name, d.size, d.writable, d.static) for d in found.data.values()} == {
        ("x", 16, True, True),
        ("y", 4, False, False),
        ("n#0", 4, True, True),  # static in a function: its first value counts
    }
    assert set(found.others) == {"__param"}
    assert found.users == {"x": {"f"}, "g": {"f"}, "f": {"x"}}


def test_what_stands_beside_variables_and_has_no_name_is_compared() -> None:
    """Flags behind an id of BTF; zeros that fill up are none. What BTF_ID() counts is no name."""

    def ids(flags: bytes, count: int = 7) -> ObjectFile:
        section = Sect(".BTF_ids", bytes(4) + flags)
        return read([section], [Sym(f"__BTF_ID__func__get__{count}", section.name, 4, kind=OBJECT)])

    assert ids(b"\x02\0\0\0") == ids(b"\x02\0\0\0", count=8)
    assert ids(b"\x02\0\0\0").others != ids(b"\x03\0\0\0").others
    assert not ids(bytes(4)).others
