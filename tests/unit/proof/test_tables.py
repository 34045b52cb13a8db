# SPDX-License-Identifier: MIT
"""What tables say of a place in the code belongs to its function."""

import struct

import pytest

from lppack.kernel.errors import FactsError
from lppack.proof.objects import Function
from tests.unit.proof.read import STRINGS, F, function, read
from tests.unit.proof.tiny_object import (
    FENTRY,
    LEA_DI,
    R_64,
    R_PC32,
    R_PC64,
    R_PLT32,
    RET,
    Reloc,
    Sect,
    Sym,
)


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
