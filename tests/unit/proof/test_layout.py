# SPDX-License-Identifier: MIT
"""A compiled function, laid out as the kernel's: only padding and the length of jumps follow it."""

import struct
from dataclasses import replace

import pytest

from lppack.proof.layout import laid_out, moved_targets
from lppack.proof.objects import R_PC8, R_PC32, R_PLT32, Function, Reference

TEXT = 0xFFFFFFFF81000000
LOOP = bytes.fromhex("83c00175fb")  # 1: add $1, %eax; jne 1b
RET = b"\xc3"
CALL = b"\xe8\0\0\0\0"


def reference(offset: int, what: str, distance: int = -4, kind: int = R_PLT32) -> Reference:
    return Reference(offset=offset, kind=kind, target=("symbol", what, distance))


def function(code: bytes, *references: Reference, start: int = 0) -> Function:
    return Function(
        name="f",
        section=".text.f",
        code=code,
        references=references,
        entries=(),
        static=False,
        weak=False,
        start=start,
    )


def padded(pad: int) -> bytes:
    """jne (to behind the loop); padding; the loop."""
    fill = bytes.fromhex("0f1f440000") * (pad // 5) + b"\x90" * (pad % 5)
    return bytes([0x75, pad + len(LOOP)]) + fill + LOOP


#: f() with a loop at 64 bytes, and a call behind it.
OURS = function(padded(62) + CALL + RET, reference(62 + 2 + len(LOOP) + 1, "g"))


@pytest.mark.parametrize("at", [0x10, 0x20, 0x30, 0x3E])
def test_the_padding_is_the_kernels(at: int) -> None:
    there = padded(-(at + 2) % 64) + CALL + RET
    made, moved = laid_out(OURS, there, TEXT + at)
    assert made.code == there
    assert moved[len(OURS.code)] == len(there)
    assert made.references[0].offset == len(there) - 5


def test_what_lies_as_it_did_is_left_as_it_is() -> None:
    assert laid_out(OURS, OURS.code, TEXT)[0] == OURS
    plain = function(b"\x83\xc0\x01" + CALL + RET, reference(4, "g"))
    made, moved = laid_out(plain, plain.code, TEXT + 5)
    assert made is plain
    assert moved == {}


@pytest.mark.parametrize(
    "kernels", [b"", b"\xcc" * 90, padded(62)[:40], bytes(200)], ids=["none", "traps", "cut", "0"]
)
def test_other_code_there_changes_nothing_of_ours(kernels: bytes) -> None:
    """It is compared afterwards, and differs then; here nothing is taken from it but padding."""
    made, _ = laid_out(OURS, kernels, TEXT + 0x20)
    assert made.code.count(LOOP) == 1
    assert made.code.endswith(CALL + RET)
    assert made.code != kernels


def test_a_jump_to_a_near_function_is_as_short_as_there() -> None:
    ours = function(b"\xe9\0\0\0\0", reference(1, "g"))
    made, _ = laid_out(ours, b"\xeb\x10", TEXT)
    assert made.code == b"\xeb\0"
    [one] = made.references
    assert (one.offset, one.kind, one.target) == (1, R_PC8, ("symbol", "g", -1))
    long, _ = laid_out(ours, b"\xe9\x10\0\0\0", TEXT)
    assert long is ours


@pytest.mark.parametrize(
    ("ours", "there"),
    [
        (b"\xeb\x01\x90" + RET, b"\xe9" + struct.pack("<i", 1) + b"\x90" + RET),
        (b"\xe9" + struct.pack("<i", 1) + b"\x90" + RET, b"\xeb\x01\x90" + RET),
        (b"\x74\x01\x90" + RET, b"\x0f\x84" + struct.pack("<i", 1) + b"\x90" + RET),
        (b"\x0f\x84" + struct.pack("<i", 1) + b"\x90" + RET, b"\x74\x01\x90" + RET),
    ],
)
def test_a_jump_within_it_leads_to_the_same_instruction(ours: bytes, there: bytes) -> None:
    made, moved = laid_out(function(ours), there, TEXT)
    assert made.code == there
    assert moved[len(ours) - 1] == len(there) - 1


def test_another_condition_is_not_taken_over() -> None:
    ours = b"\x74\x01\x90" + RET  # je
    for there in (b"\x0f\x85" + struct.pack("<i", 1) + b"\x90" + RET, b"\x75\x01\x90" + RET):
        made, _ = laid_out(function(ours), there, TEXT)
        assert made.code == ours


def test_the_branch_of_a_static_key_is_no_padding() -> None:
    before = bytes.fromhex("83c001") * 19 + b"\x75\x05"
    code = before + bytes.fromhex("0f1f440000") + LOOP + RET
    target = ("symbol", "f", len(before))
    key = ("__jump_table", bytes(16), (Reference(offset=0, kind=R_PC32, target=target),))
    there = before[:-1] + b"\0" + LOOP + RET  # where nothing has to be filled
    plain, _ = laid_out(function(code), there, TEXT + 5)
    assert plain.code[len(before) :] == LOOP + RET
    made, _ = laid_out(replace(function(code), entries=(key,)), there, TEXT + 5)
    assert made.code == code


def test_references_into_a_function_follow_it() -> None:
    """By where their instruction ends, for a displacement counts from there."""
    table = ("__bug_table", bytes(12), (reference(0, "f", 10, R_PC32), reference(4, "g", 10)))
    one = replace(
        function(b"", reference(1, "f", 6), reference(9, "other", 6), reference(17, "f", 5)),
        entries=(table,),
    )
    made = moved_targets(one, {"f": {10: 7, 9: 9}})
    assert [r.target for r in made.references] == [
        ("symbol", "f", 3),
        ("symbol", "other", 6),
        ("symbol", "f", 5),
    ]
    assert [r.target[2] for r in made.entries[0][2]] == [7, 10]
    assert moved_targets(one, {}) == one
