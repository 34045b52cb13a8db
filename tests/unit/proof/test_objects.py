# SPDX-License-Identifier: MIT
"""Functions and data of an object file."""

import pytest

from lppack.kernel.elf64 import Elf
from lppack.proof.objects import R_32S, R_PC32
from lppack.proof.reader import ObjectReader
from tests.unit.proof.read import F, read
from tests.unit.proof.tiny_object import (
    CALL,
    FENTRY,
    LOCAL,
    OBJECT,
    R_PLT32,
    RET,
    WEAK,
    Sect,
    Sym,
    build,
)


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


@pytest.mark.parametrize(
    ("code", "kind", "taken"),
    [
        (b"\xe8", R_PLT32, False),  # call
        (b"\xe9", R_PC32, False),  # jmp, to a local symbol
        (b"\x0f\x84", R_PC32, False),  # je
        (b"\x48\x8d\x3d", R_PC32, True),  # lea
        (b"\x0f\xb6\x05", R_PC32, True),  # movzbl
        (b"\x48\xc7\xc7", R_32S, True),  # mov
    ],
)
def test_who_takes_the_address_of_a_function(code: bytes, kind: int, taken: bool) -> None:
    whole = code + bytes(4)
    sections = [Sect(F, whole, [(len(code), "g", kind, -4)]), Sect(".text.g", RET)]
    symbols = [Sym("f", F, len(whole)), Sym("g", ".text.g", 1, binding=LOCAL)]
    found = read(sections, symbols)
    assert found.users == {"g": {"f"}}
    assert found.takers == ({"g": {"f"}} if taken else {})
