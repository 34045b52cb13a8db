# SPDX-License-Identifier: MIT
"""Compiled functions are found in the kernel's own code, and others are not taken for them."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.kernel.elf64 import Elf
from lppack.kernel.symbols import Symbol
from lppack.proof.match import Matched, ModuleCode, VmlinuxCode
from lppack.proof.objects import Function, Reference, Target
from tests.kit.fake_facts import FakeFacts
from tests.kit.fake_image import RODATA, TEXT, Part, elf
from tests.unit.proof.tiny_object import (
    CALL,
    FENTRY,
    JUMP,
    LOCAL,
    OBJECT,
    R_32S,
    R_PC32,
    R_PLT32,
    RET,
    Reloc,
    Sect,
    Sym,
    build,
)

NOP = bytes.fromhex("0f1f440000")
#: What is called, and where it is in the kernel.
G, H = TEXT + 0x800, TEXT + 0x810


def reference(offset: int, what: str | bytes, distance: int = -4, kind: int = R_PLT32) -> Reference:
    target: Target = ("symbol" if isinstance(what, str) else "string", what, distance)
    return Reference(offset=offset, kind=kind, target=target)


def function(
    code: bytes,
    *references: Reference,
    name: str = "f",
    weak: bool = False,
    site: int | None = None,
) -> Function:
    """``site``: where it has a branch of a static key."""
    code_ = reference(0, name, site or 0, R_PC32)
    return Function(
        name=name,
        section=f".text.{name}",
        code=code,
        references=references,
        entries=() if site is None else (("__jump_table", bytes(16), (code_,)),),
        static=True,
        weak=weak,
    )


def symbol(name: str, address: int, sympos: int = 1, size: int | None = None) -> Symbol:
    return Symbol(
        name=name, address=address, type="t", sympos=sympos, traceable=True, init=False, size=size
    )


def kernel(
    places: Mapping[int, bytes],
    *symbols: Symbol,
    rodata: bytes = b"",
) -> VmlinuxCode:
    """A vmlinux with that code; f() is at TEXT unless ``symbols`` name it."""
    text = bytearray(0x1000)
    for address, code in places.items():
        text[address - TEXT : address - TEXT + len(code)] = code
    parts = [
        Part(name=".text", content=bytes(text), flags=6, address=TEXT),
        Part(name=".rodata", content=rodata, address=RODATA),
    ]
    every = [*(symbols or [symbol("f", TEXT)]), symbol("g", G), symbol("h", H)]
    return VmlinuxCode(FakeFacts({"vmlinux": every}), Elf(elf(parts), "vmlinux"))


def call(place: int, to: int, opcode: bytes = b"\xe8") -> bytes:
    return opcode + struct.pack("<i", to - place - 5)


def one(code: VmlinuxCode, wanted: Function) -> Matched:
    return code.match([wanted])[wanted.name]


CALLS_G = function(FENTRY + CALL + RET, reference(1, "__fentry__"), reference(6, "g"))


def test_a_function_matches_where_ftrace_has_its_nop() -> None:
    found = one(kernel({TEXT: NOP + call(TEXT + 5, G) + RET}), CALLS_G)
    assert (found.symbol, found.why) == (symbol("f", TEXT), "")
    assert found.leads == {"g": G}


def test_a_call_that_leads_elsewhere_is_found() -> None:
    found = one(kernel({TEXT: NOP + call(TEXT + 5, H) + RET}), CALLS_G)
    assert found.symbol is None
    assert found.why == "at byte 6 it leads elsewhere than to g"
    assert not found.expected


def test_other_code_is_found() -> None:
    found = one(kernel({TEXT: NOP + call(TEXT + 5, G) + b"\xcc"}), CALLS_G)
    assert (found.symbol, found.why) == (None, "it differs at byte 10 of 11")


def test_a_call_of_what_has_no_symbol_is_let_be() -> None:
    unknown = function(CALL + RET, reference(1, "only_in_the_linker"))
    assert one(kernel({TEXT: call(TEXT, H) + RET}), unknown).symbol


def test_a_shorter_symbol_is_another_function() -> None:
    code = {TEXT: NOP + call(TEXT + 5, G) + RET}
    found = one(kernel(code, symbol("f", TEXT, size=10)), CALLS_G)
    assert found.why == "it has 11 bytes, and the kernel's 10"
    assert one(kernel(code, symbol("f", TEXT, size=16)), CALLS_G).symbol


def test_a_symbol_without_code_is_no_match() -> None:
    found = one(kernel({}, symbol("f", TEXT - 0x1000)), CALLS_G)
    assert found.symbol is None
    assert "holds no 11 bytes" in found.why


def test_a_function_that_the_kernel_does_not_have() -> None:
    found = one(kernel({}, symbol("other", TEXT)), CALLS_G)
    assert (found.symbol, found.why) == (None, "the kernel has no symbol of it")


@pytest.mark.parametrize(
    ("ours", "kernels"),
    [
        ("eb 02", "66 90"),
        ("66 90", "eb 02"),
        ("e9 02000000", "0f1f440000"),
        ("0f1f440000", "e9 02000000"),
    ],
)
def test_the_site_of_a_static_key_may_be_written(ours: str, kernels: str) -> None:
    code, there = bytes.fromhex(ours) + RET, bytes.fromhex(kernels) + RET
    assert one(kernel({TEXT: there}), function(code, site=0)).symbol
    assert not one(kernel({TEXT: there}), function(code)).symbol
    found = one(kernel({TEXT: there[:-1] + b"\x90"}), function(code, site=0))
    assert found.why == f"it differs at byte {len(code) - 1} of {len(code)}"


def test_strings_are_compared_where_they_are() -> None:
    lea = b"\x48\x8d\x3d\0\0\0\0" + RET
    wanted = function(lea, reference(3, b"two\0", 0, R_PC32))
    rodata = b"one\0two\0"

    def leads(at: int) -> Matched:
        there = b"\x48\x8d\x3d" + struct.pack("<i", RODATA + at - TEXT - 7) + RET
        return one(kernel({TEXT: there}, rodata=rodata), wanted)

    assert leads(4).symbol
    assert leads(0).why == "at byte 3 it leads to other bytes than b'two\\x00'"
    assert leads(6).symbol is None


def test_an_address_is_compared_as_it_is() -> None:
    wanted = function(b"\x48\xc7\xc7\0\0\0\0" + RET, reference(3, "g", 8, R_32S))

    def holds(address: int) -> Matched:
        there = b"\x48\xc7\xc7" + struct.pack("<I", address & 0xFFFFFFFF) + RET
        return one(kernel({TEXT: there}), wanted)

    assert holds(G + 8).leads == {"g": G}
    assert holds(G).symbol is None


@pytest.mark.parametrize("known", [True, False])
def test_a_weak_function_is_expected_not_to_match(known: bool) -> None:
    weak = replace(CALLS_G, weak=True)
    found = one(kernel({TEXT: RET}, symbol("f" if known else "other", TEXT)), weak)
    assert (found.symbol, found.expected) == (None, True)
    assert "weak" in found.why
    # One that is used is as good as any.
    assert one(kernel({TEXT: NOP + call(TEXT + 5, G) + RET}), weak).symbol


def test_one_of_several_is_told_by_its_code() -> None:
    copies = [symbol("f", TEXT, 1), symbol("f", TEXT + 0x100, 2)]
    code = {TEXT: NOP + call(TEXT + 5, H) + RET, TEXT + 0x100: NOP + call(TEXT + 0x105, G) + RET}
    assert one(kernel(code, *copies), CALLS_G).symbol == copies[1]


def test_of_equal_ones_that_beside_the_rest_of_the_file() -> None:
    places = [TEXT, TEXT + 0x400, TEXT + 0x700]
    copies = [symbol("f", at, n) for n, at in enumerate(places, 1)]
    code = {at: NOP + call(at + 5, G) + RET for at in places}
    near = symbol("near", TEXT + 0x480)
    other = function(b"\x90" + RET, name="near")
    found = kernel({**code, near.address: b"\x90" + RET}, *copies, near).match([CALLS_G, other])
    assert found["f"].symbol == copies[1]
    alone = one(kernel(code, *copies), CALLS_G)
    assert (alone.symbol, alone.why) == (None, "3 functions of that name have the same code")


# je over a call, a jump to another function at the end: je +10; call g; jmp g; ret
TAIL = function(b"\x74\x0a" + CALL + JUMP + RET, reference(3, "g"), reference(8, "g"), site=None)


def tail(at: int, je: int, to: int) -> bytes:
    """The same with a short jump."""
    return bytes([0x74, je]) + call(at + 2, G) + b"\xeb" + struct.pack("<b", to - at - 9) + RET


def test_a_jump_to_a_near_function_may_be_short() -> None:
    at = G - 0x20
    found = one(kernel({at: tail(at, 7, G)}, symbol("f", at)), TAIL)
    assert (found.symbol, found.why) == (symbol("f", at), "")


@pytest.mark.parametrize(
    ("je", "to", "why"),
    [
        (7, H, "at byte 8 it leads elsewhere than to g"),
        (10, G, "it differs at byte 1 of "),
    ],
)
def test_a_short_jump_is_checked_all_the_same(je: int, to: int, why: str) -> None:
    at = G - 0x20
    found = one(kernel({at: tail(at, je, to)}, symbol("f", at)), TAIL)
    assert found.symbol is None
    assert found.why.startswith(why)


def test_a_long_jump_stays_one() -> None:
    there = b"\x74\x0a" + call(TEXT + 2, G) + call(TEXT + 7, G, b"\xe9") + RET
    assert one(kernel({TEXT: there}), TAIL).symbol


def test_a_static_key_site_behind_a_short_jump() -> None:
    wanted = function(JUMP + b"\x66\x90" + RET, reference(1, "g"), site=5)
    at = G - 0x20
    there = b"\xeb" + struct.pack("<b", 0x1E) + b"\xeb\x00" + RET
    assert one(kernel({at: there}, symbol("f", at)), wanted).symbol


# -- loops that are aligned

LOOP = bytes.fromhex("83c001") + bytes.fromhex("75fb")  # 1: add $1, %eax; jne 1b


def looping(pad: int, jump: bytes = b"") -> bytes:
    """jne (to behind the loop); padding; the loop; call g; ret."""
    fill = bytes.fromhex("0f1f440000") * (pad // 5) + b"\x90" * (pad % 5)
    over = jump or bytes([0x75, pad + len(LOOP)])
    return over + fill + LOOP


def loop(start: int) -> Function:
    """f() at ``start`` of its section, with a loop at a multiple of 64."""
    pad = -(start + 2) % 64
    return replace(function(looping(pad) + CALL + RET, reference(pad + 8, "g")), start=start)


@pytest.mark.parametrize("start", [16, 62])  # with padding, without
@pytest.mark.parametrize("at", [TEXT + 0x10, TEXT + 0x20, TEXT + 0x30, TEXT + 0x3E])
def test_a_loop_may_be_padded_otherwise(start: int, at: int) -> None:
    pad = -(at + 2) % 64
    there = looping(pad)
    there += call(at + len(there), G) + RET
    known = symbol("f", at, size=len(there) + 16)
    found = one(kernel({at: there}, known), loop(start))
    assert (found.symbol, found.why) == (known, "")
    assert found.leads == {"g": G}


@pytest.mark.parametrize(
    "change",
    [
        lambda code: code.replace(LOOP, bytes.fromhex("83c00275fb")),  # another instruction
        lambda code: code.replace(LOOP, bytes.fromhex("83c00175fd")),  # into it
        lambda code: bytes([0x75, code[1] - 5]) + code[2:],  # to another place
        lambda code: code[:2] + b"\x40\xb8" + code[4:],  # code instead of padding
    ],
)
def test_what_differs_beside_the_padding_is_found(change: Callable[[bytes], bytes]) -> None:
    at = TEXT + 0x20
    there = change(looping(-(at + 2) % 64))
    there += call(at + len(there), G) + RET
    assert one(kernel({at: there}, symbol("f", at)), loop(16)).symbol is None


@pytest.mark.parametrize(("near", "short"), [("0f85", 0x75), ("e9", 0xEB)])
def test_a_jump_over_padding_may_have_another_length(near: str, short: int) -> None:
    opcode = bytes.fromhex(near)
    ours = replace(function(looping(30, bytes([short, 35])) + RET), start=0)
    pad = 32 - len(opcode) - 4
    there = looping(pad, opcode + struct.pack("<i", pad + len(LOOP))) + RET
    assert one(kernel({TEXT: there}), ours).symbol
    assert one(kernel({TEXT: ours.code}), replace(function(there), start=0)).symbol


def test_a_part_that_was_split_off_leads_into_the_padded_one() -> None:
    """f.cold jumps back to the call of g() in f()."""
    at, cold = TEXT + 0x20, TEXT + 0x400
    there = looping(-(at + 2) % 64)
    behind = at + len(there)
    there += call(behind, G) + RET
    wanted = loop(16)
    back = reference(1, "f", len(wanted.code) - 6 - 4, R_PC32)
    part = function(JUMP, back, name="f.cold")
    code = {at: there, cold: call(cold, behind, b"\xe9")}
    where = kernel(code, symbol("f", at), symbol("f.cold", cold))
    assert where.match([part, wanted])["f.cold"].symbol
    elsewhere = {**code, cold: call(cold, behind + 1, b"\xe9")}
    where = kernel(elsewhere, symbol("f", at), symbol("f.cold", cold))
    assert where.match([part, wanted])["f.cold"].symbol is None


# -- modules


class ModuleFacts(FakeFacts):
    """Facts of one module, "m", whose file is ``path``."""

    def __init__(self, path: Path, symbols: Sequence[Symbol]) -> None:
        super().__init__({"vmlinux": [], "m": list(symbols)})
        self.path = path

    def module_path(self, module: str | Path) -> Path:
        assert module == "m"
        return self.path


def module(
    folder: Path,
    code: bytes,
    relocs: Sequence[Reloc],
    places: Sequence[tuple[int, int]] = ((0, 0),),
) -> ModuleCode:
    """m.ko with f() at each (offset, size) of its .text; size 0: all of it."""
    path = folder / "m.ko"
    symbols = [Sym("f", ".text", size or len(code), at, binding=LOCAL) for at, size in places]
    path.write_bytes(build([Sect(".text", code, relocs)], symbols))
    known = [symbol("f", at, n) for n, (at, _) in enumerate(places, 1)]
    return ModuleCode(ModuleFacts(path, known), "m")


def of_module(code: ModuleCode, wanted: Function) -> Matched:
    return code.match([wanted])["f"]


@pytest.mark.parametrize(
    ("code", "relocs"),
    [
        (FENTRY + CALL + RET, [(1, "__fentry__", R_PLT32, -4), (6, "g", R_PLT32, -4)]),
        (NOP + CALL + RET, [(6, "g", R_PLT32, -4)]),
    ],
)
def test_a_function_of_a_module(tmp_path: Path, code: bytes, relocs: list[Reloc]) -> None:
    assert of_module(module(tmp_path, code, relocs), CALLS_G).symbol == symbol("f", 0)


def test_other_code_in_a_module(tmp_path: Path) -> None:
    fentry = (1, "__fentry__", R_PLT32, -4)
    elsewhere = module(tmp_path, FENTRY + CALL + RET, [fentry, (6, "h", R_PLT32, -4)])
    assert of_module(elsewhere, CALLS_G).why == "at byte 6 it leads elsewhere than to g"
    nowhere = module(tmp_path, FENTRY + CALL + RET, [fentry])
    assert of_module(nowhere, CALLS_G).symbol is None
    longer = module(tmp_path, FENTRY + CALL + RET + RET, [fentry, (6, "g", R_PLT32, -4)])
    assert of_module(longer, CALLS_G).why == "it has 11 bytes, and the module's 12"
    other = module(tmp_path, FENTRY + CALL + b"\xcc", [fentry, (6, "g", R_PLT32, -4)])
    assert of_module(other, CALLS_G).why == "it differs at byte 10 of 11"


def test_one_of_several_of_a_module(tmp_path: Path) -> None:
    code = b"\x90" + RET + b"\x66\x90" + RET
    several = module(tmp_path, code, [], [(0, 2), (2, 3)])
    assert of_module(several, function(b"\x66\x90" + RET)).symbol == symbol("f", 2, 2)
    assert of_module(several, function(b"\x90" + RET)).symbol == symbol("f", 0, 1)


def test_a_module_without_the_function(tmp_path: Path) -> None:
    empty = module(tmp_path, RET, [], [])
    found = of_module(empty, CALLS_G)
    assert (found.why, found.expected) == ("the module has no symbol of it", False)
    assert of_module(empty, replace(CALLS_G, weak=True)).expected


def test_the_end_of_an_array_may_be_named_by_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "m.ko"
    wanted = function(b"\x48\xc7\xc7\0\0\0\0" + RET, reference(3, "table", 8, R_32S))

    def leads_to(name: str) -> Matched:
        sections = [Sect(".text", wanted.code, [(3, name, R_32S, 0)]), Sect(".data", bytes(24))]
        symbols = [
            Sym("f", ".text", len(wanted.code), binding=LOCAL),
            *(Sym(n, ".data", 8, 8 * at, kind=OBJECT) for at, n in enumerate(("table", "b", "c"))),
        ]
        path.write_bytes(build(sections, symbols))
        return of_module(ModuleCode(ModuleFacts(path, [symbol("f", 0)]), "m"), wanted)

    assert leads_to("b").symbol
    assert leads_to("c").symbol is None
    assert leads_to("table").symbol is None


@pytest.mark.parametrize(("at", "same"), [(4, True), (0, False), (5, False)])
def test_a_string_among_other_constants_of_a_module(tmp_path: Path, at: int, same: bool) -> None:
    """Linux 7.0 puts the strings of a module into its .rodata."""
    path = tmp_path / "m.ko"
    wanted = function(b"\x48\xc7\xc7\0\0\0\0" + RET, reference(3, b"new\0", 0, R_32S))
    rodata = Sect(".rodata", b"old\0new\0")
    sections = [Sect(".text", wanted.code, [(3, ".rodata", R_32S, at)]), rodata]
    table = Sym("table", ".rodata", 4, 0, kind=OBJECT)
    path.write_bytes(build(sections, [Sym("f", ".text", len(wanted.code), binding=LOCAL), table]))
    found = of_module(ModuleCode(ModuleFacts(path, [symbol("f", 0)]), "m"), wanted)
    assert (found.symbol is not None) == same


def test_the_end_of_a_string_in_vmlinux() -> None:
    """A loop over a string compares with its end, where the linker may have put another."""
    wanted = function(b"\x48\xc7\xc7\0\0\0\0" + RET, reference(3, b"new\0", 4, R_32S))
    for end, same in ((RODATA + 8, True), (RODATA + 4, False)):
        there = b"\x48\xc7\xc7" + struct.pack("<I", end & 0xFFFFFFFF) + RET
        found = one(kernel({TEXT: there}, rodata=b"old\0new\0xyz\0"), wanted)
        assert (found.symbol is not None) == same
