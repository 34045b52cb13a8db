# SPDX-License-Identifier: MIT
"""Two compilations of a function are equal exactly where they do the same in the same way."""

import struct
from collections.abc import Sequence

import pytest

from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.proof.objects import Function, ObjectFile
from lppack.proof.reader import ObjectReader, read_object
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
    R_PC64,
    R_PLT32,
    RET,
    WEAK,
    Reloc,
    Sect,
    Sym,
    build,
)

F = ".text.f"
STRINGS = ".rodata.str1.1"


def read(sections: Sequence[Sect], symbols: Sequence[Sym]) -> ObjectFile:
    return read_object(build(sections, symbols), "a.o")


def function(
    code: bytes, relocs: Sequence[Reloc], *others: Sect, symbols: Sequence[Sym] = ()
) -> Function:
    """f() of an object with a section for it and ``others``."""
    sections = [Sect(F, code, relocs), *others]
    return read(sections, [Sym("f", F, len(code)), *symbols]).functions["f"]


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


# -- names that the compiler counts


def uses(
    name: str, section: str, content: bytes = bytes(8), *, direct: bool = True, addend: int = 0
) -> Function:
    """f() that refers to a static variable of its own."""
    target = name if direct else section
    symbols = [Sym(name, section, len(content), kind=OBJECT, binding=LOCAL)]
    relocs = [(3, target, R_32S, addend)]
    return function(MOV_DI + RET, relocs, Sect(section, content), symbols=symbols)


def test_numbers_of_statics_do_not_count_but_names_do() -> None:
    one = uses("__key.35", ".bss.__key.35")
    assert one.key == uses("__key.7", ".bss.__key.7").key
    assert one.key == uses("__key.7", ".bss.__key.7", direct=False).key
    assert one.key != uses("__lock.35", ".bss.__lock.35").key
    assert one.references[0].symbol == "__key.35"


def test_two_statics_of_one_name_are_told_apart() -> None:
    def of(first: str, second: str, used: str) -> Function:
        symbols = [Sym(n, f".bss.{n}", 8, kind=OBJECT, binding=LOCAL) for n in (first, second)]
        sections = [Sect(f".bss.{n}", bytes(8)) for n in (first, second)]
        return function(MOV_DI + RET, [(3, used, R_32S, 0)], *sections, symbols=symbols)

    assert of("n.1", "n.2", "n.1").key == of("n.5", "n.9", "n.5").key
    assert of("n.1", "n.2", "n.1").key != of("n.1", "n.2", "n.2").key


def test_unique_ids_do_not_count() -> None:
    one = uses("__UNIQUE_ID_x12", ".data.__UNIQUE_ID_x12")
    assert one.key == uses("__UNIQUE_ID_x345", ".data.__UNIQUE_ID_x345").key
    assert one.key != uses("__UNIQUE_ID_y12", ".data.__UNIQUE_ID_y12").key


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


# -- tables about the code


def key_site(at: int = 0, target: int = 2, addend: int = 0, key: str = "key") -> Function:
    """f() with a branch of a static key."""
    entry = [(0, F, R_PC32, at), (4, F, R_PC32, target), (8, key, R_PC64, addend)]
    table = Sect("__jump_table", bytes(16), entry)
    return function(b"\x66\x90" + RET * 6, [], table)


def test_a_static_key_site_belongs_to_its_function() -> None:
    one = key_site()
    [(table, data, references)] = one.entries
    assert (table, data) == ("__jump_table", bytes(16))
    assert [r.target for r in references] == [
        ("symbol", "f", 0),
        ("symbol", "f", 2),
        ("symbol", "key", 0),
    ]
    assert one.key == key_site().key


@pytest.mark.parametrize(
    "other", [key_site(at=1), key_site(target=3), key_site(addend=1), key_site(key="another")]
)
def test_a_changed_static_key_site_differs(other: Function) -> None:
    assert key_site().key != other.key


def bug(line: int, file: bytes = b"a.c\0", before: bytes = b"") -> Function:
    """f() that warns; 12 bytes as with CONFIG_DEBUG_BUGVERBOSE."""
    entry = struct.pack("<iiHH", 0, 0, line, 1)
    table = Sect("__bug_table", entry, [(0, F, R_PC32, 0), (4, STRINGS, R_PC32, len(before))])
    return function(b"\x0f\x0b" + RET, [], table, Sect(STRINGS, before + file))


def test_a_warning_is_its_file_and_line() -> None:
    assert bug(7).key == bug(7, before=b"b.h\0").key
    assert bug(7).key != bug(8).key
    assert bug(7).key != bug(7, b"b.c\0").key
    assert bug(7).key != function(b"\x0f\x0b" + RET, []).key


def warns(line: int, before: int = 0) -> Function:
    """f() that passes its entry of __bug_table on, behind ``before`` others of another function."""
    entries = b"".join(struct.pack("<iiHH", 0, 0, n, 1) for n in (*range(before), line))
    relocs: list[Reloc] = []
    for at in range(0, len(entries), 12):
        of = F if at == 12 * before else ".text.g"
        relocs += [(at, of, R_PC32, 0), (at + 4, STRINGS, R_PC32, 0)]
    others = (Sect("__bug_table", entries, relocs), Sect(STRINGS, b"a.c\0"), Sect(".text.g", RET))
    code = LEA_DI + RET
    return function(code, [(3, "__bug_table", R_PC32, 12 * before - 4)], *others)


def test_a_warning_that_passes_its_entry_on() -> None:
    """As on 7.0 and later: only its own entry counts, wherever that is."""
    assert warns(7).key == warns(7, before=3).key
    assert warns(7).key != warns(8).key


def test_where_ftrace_may_patch_is_no_data() -> None:
    sites = Sect("__patchable_function_entries", bytes(8), [(0, F, R_64, 0)])
    sections = [Sect(F, FENTRY + RET, [(1, "__fentry__", R_PLT32, -4)]), sites]
    assert read(sections, [Sym("f", F, 6)]).others == {}


def alternative(new: bytes, before: bytes = b"", after: bytes = b"", feature: int = 3) -> Function:
    """f() with one alternative; struct alt_instr of v6.1 has 12 bytes."""
    entry = struct.pack("<iiHBB", 0, 0, feature, 3, len(new))
    name = ".altinstr_replacement"
    table = Sect(".altinstructions", entry, [(0, F, R_PC32, 0), (4, name, R_PC32, len(before))])
    return function(b"\x0f\x1f\x00" + RET, [], table, Sect(name, before + new + after))


def test_an_alternative_is_the_code_that_it_writes() -> None:
    one = alternative(b"\x0f\x01\xcb")
    assert one.key == alternative(b"\x0f\x01\xcb", b"\x90\x90", b"\xcc").key
    assert one.key != alternative(b"\x0f\x01\xca").key
    assert one.key != alternative(b"\x0f\x01\xcb", feature=4).key
    assert alternative(b"").key != one.key


def test_entries_of_no_known_size_are_refused() -> None:
    with pytest.raises(FactsError, match="__jump_table has 15 bytes"):
        function(RET, [], Sect("__jump_table", bytes(15), [(0, F, R_PC32, 0)]))


def test_what_objtool_reads_does_not_count() -> None:
    plain = function(RET, [])
    found = read(
        [Sect(F, RET), Sect(".discard.reachable", bytes(4), [(0, F, R_PC32, 0)])],
        [Sym("f", F, 1)],
    )
    assert found.functions["f"].key == plain.key
    assert found.others == {}


# -- what a function is


def test_kinds_of_functions() -> None:
    sections = [
        Sect(F, FENTRY + RET, [(1, "__fentry__", R_PLT32, -4)]),
        Sect(".text.g.isra.0", b"\xf3\x0f\x1e\xfa" + FENTRY, [(5, "__fentry__", R_PLT32, -4)]),
        Sect(".init.text", RET),
        Sect(".text.w", FENTRY + CALL, [(6, "__fentry__", R_PLT32, -4)]),
    ]
    symbols = [
        Sym("f.alias", F, 6),
        Sym("f", F, 6),
        Sym("g.isra.0", ".text.g.isra.0", 9, binding=LOCAL),
        Sym("start", ".init.text", 1),
        Sym("w", ".text.w", 10, binding=WEAK),
        Sym("f_data", F, 4, kind=OBJECT),
    ]
    found = read(sections, symbols).functions
    assert {(n, f.traceable, f.static, f.weak, f.init, f.base) for n, f in found.items()} == {
        ("f", True, False, False, False, "f"),
        ("g.isra.0", True, True, False, False, "g"),
        ("start", False, False, False, True, "start"),
        ("w", False, False, True, False, "w"),
    }
    assert found["f"].aliases == ("f.alias",)


def test_functions_of_one_name_come_in_the_order_of_the_symbol_table() -> None:
    content = build(
        [Sect(".text", b"\x90" + RET + b"\xb8\1\0\0\0" + RET)],
        [
            Sym("show", ".text", 6, 2, binding=LOCAL),
            Sym("show", ".text", 2, 0, binding=LOCAL),
            Sym("show_alias", ".text", 6, 2),
            Sym("show"),
        ],
    )
    reader = ObjectReader(Elf(content, "a.ko"))
    first, second = b"\xb8\1\0\0\0" + RET, b"\x90" + RET
    assert [one.code for one in reader.called("show")] == [first, second]
    assert [one.code for one in reader.called("show_alias")] == [first]
    assert reader.called("nothing") == []


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
