# SPDX-License-Identifier: MIT
"""Which code of a module names a function of it."""

import struct
from collections.abc import Sequence

import pytest

from lppack.kernel.elf64 import Elf
from lppack.kernel.modules import parse_module
from lppack.kernel.references import names

from . import fake

PC32, PLT32, ABS64 = 2, 4, 1
TEXT, EXPORTED = 2, 13  # of fake.MODULE_SYMBOLS, from 1: the section, and a function at 0xa0


def named(caller: str, target: str, code: bytes, *calls: tuple[int, int, int, int]) -> bool:
    elf = Elf(fake.module(text=code, calls=calls), "victim.ko")
    found = {s.name: s for s in parse_module(elf)}
    return names(elf, found[caller], found[target])


def filled(*words: tuple[int, int]) -> bytes:
    """.text with calls from one place to another, as the assembler makes them in a section."""
    text = bytearray(b"\xcc" * 0x100)
    for at, to in words:
        text[at - 1 : at + 4] = b"\xe8" + struct.pack("<i", to - (at + 4))
    return bytes(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([(0x38, 0xA0)], True),
        ([(0x3C, 0xA0)], True),  # the last that is still in it
        ([(0x3D, 0xA0)], False),
        ([(0x38, 0xA4)], False),  # into the middle
        ([(0x45, 0xA0)], False),  # another function
        ([], False),
    ],
)
def test_by_a_distance(words: Sequence[tuple[int, int]], said: bool) -> None:
    assert named("between", "exported", filled(*words)) is said


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ((0x38, EXPORTED, PLT32, -4), True),
        ((0x38, TEXT, PC32, 0xA0 - 4), True),
        ((0x38, TEXT, ABS64, 0xA0), True),
        ((0x38, TEXT, PC32, 0xA0), False),
        ((0x48, EXPORTED, PLT32, -4), False),
    ],
)
def test_by_a_relocation(call: tuple[int, int, int, int], said: bool) -> None:
    assert named("between", "exported", filled(), call) is said


def test_of_another_section() -> None:
    assert not named("init_module", "exported", filled((0x38, 0xA0)))
