# SPDX-License-Identifier: MIT
"""Which ways out of a kernel its code has, and in which form a compiler may have written them."""

import struct

import pytest

from lppack.kernel.elf64 import Elf
from lppack.kernel.kallsyms import KallsymsEntry
from lppack.stages.ways_out import _leads_to, unknown_ways, ways
from tests.kit.fake_image import TEXT, Part, elf

_STEP = 0x40  # bytes of each function
_NAMES = sorted({name for way in ways() for names in way[1:] for name in names})
_WHERE = {name: TEXT + _STEP * (1 + at) for at, name in enumerate(_NAMES)}
_CALL, _JUMP, _JNE = b"\xe8", b"\xe9", b"\x0f\x85"


def unknown(*, leave_out: str = "", code: bytes = _CALL, off: int = 0) -> tuple[str, ...]:
    """The answer for a kernel of which each way but one is a call; ``code`` is that of the first
    way, and leads to ``off`` bytes before where it should."""
    text = bytearray(_STEP * (len(_NAMES) + 2))
    for at, way in enumerate(ways()):
        start = _WHERE[way.starts[0]] + 0x10 + 8 * at
        opcode, less = (code, off) if at == 0 else (_CALL, 0)
        distance = _WHERE[way.ends[0]] - less - start - len(opcode) - 4
        if way.what != leave_out:
            text[start - TEXT : start - TEXT + len(opcode) + 4] = opcode + struct.pack(
                "<i", distance
            )
    entries = [KallsymsEntry(where, "T", name) for name, where in _WHERE.items()]
    end = KallsymsEntry(TEXT + len(text), "T", "_etext")
    image = elf([Part(name=".text", content=bytes(text), flags=6, address=TEXT)])
    return unknown_ways(Elf(image, "a kernel"), [*entries, end])


def test_the_table_is_the_modules() -> None:
    assert [way.what for way in ways()] == [
        *("a system call", "an interrupt", "a breakpoint", "a new thread"),
        *("a debugger's stop", "task work"),
    ]
    assert all(way.starts and way.ends for way in ways())


def test_a_kernel_with_all_of_them() -> None:
    assert unknown() == ()


@pytest.mark.parametrize("what", [way.what for way in ways()])
def test_a_way_that_is_not_there_is_named(what: str) -> None:
    assert unknown(leave_out=what) == (what,)


@pytest.mark.parametrize("code", [_CALL, _JUMP, _JNE], ids=["call", "jump", "jne"])
def test_each_form_is_seen(code: bytes) -> None:
    assert unknown(code=code) == ()


def test_a_short_jump_at_the_end_of_a_function_is_seen() -> None:
    way = ways()[0]
    start, end = _WHERE[way.starts[0]], _WHERE[way.ends[0]]
    assert _leads_to(bytes(_STEP - 2) + struct.pack("<Bb", 0xEB, 5), start, start + _STEP + 5)
    assert not _leads_to(bytes(_STEP - 2) + struct.pack("<Bb", 0xEB, 5), start, end + 1)


def test_other_bytes_with_the_same_distance_are_not() -> None:
    assert unknown(code=b"\x3d") == (ways()[0].what,)


@pytest.mark.parametrize(("off", "known"), [(16, True), (17, False), (-1, False)])
def test_a_call_may_lead_to_the_padding_before_a_function(off: int, known: bool) -> None:
    assert (unknown(off=off) == ()) is known


def test_a_short_jump_to_the_function_beside_it_is_seen() -> None:
    """As irqentry_exit() of Debian's 6.1 has it."""
    first = ways()[0]
    start, end = TEXT + 0x40, TEXT + 0x20
    text = bytearray(0x100)
    text[start + 8 - TEXT : start + 10 - TEXT] = b"\xeb" + struct.pack("<b", end - start - 10)
    entries = [
        KallsymsEntry(end, "T", first.ends[0]),
        KallsymsEntry(start, "T", first.starts[0]),
        KallsymsEntry(TEXT + 0x80, "T", "_etext"),
    ]
    image = elf([Part(name=".text", content=bytes(text), flags=6, address=TEXT)])
    assert first.what not in unknown_ways(Elf(image, "a kernel"), entries)
