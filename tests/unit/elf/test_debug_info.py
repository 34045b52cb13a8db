# SPDX-License-Identifier: MIT
"""Entries of .debug_info: built by hand, read, and damaged."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.elf.debug_info import DebugInfo

UNIT, BASE, SUBPROGRAM = 0x11, 0x24, 0x2E  # DW_TAG_
NAME, SIZE, LINE, TYPE, LOW = 0x03, 0x0B, 0x3B, 0x49, 0x11  # DW_AT_
STRING, STRP, DATA1, UDATA, SDATA, REF4, ADDR, EXPRLOC, CONST, PRESENT, LINE_STRP = (
    *(0x08, 0x0E, 0x0B, 0x0F, 0x0D, 0x13, 0x01, 0x18, 0x21, 0x19, 0x1F),
)


def form(code: int, tag: int, children: bool, *attributes: tuple[int, ...]) -> bytes:
    pairs = b"".join(bytes(one) for one in attributes)
    return bytes([code, tag, children]) + pairs + b"\0\0"


ABBREVIATIONS = (
    form(1, UNIT, True, (NAME, STRP))
    + form(2, BASE, False, (NAME, STRING), (SIZE, DATA1))
    + form(3, SUBPROGRAM, True, (NAME, LINE_STRP), (LINE, UDATA), (TYPE, REF4), (LOW, ADDR))
    + form(4, BASE, False, (SIZE, CONST, 0x7F), (LINE, PRESENT), (TYPE, EXPRLOC), (NAME, SDATA))
    + b"\0"
)
STRINGS, LINES = b"\0unit.c\0", b"show\0"


def unit(body: bytes, version: int = 5) -> bytes:
    head = struct.pack("<HBBI", 5, 1, 8, 0) if version == 5 else struct.pack("<HIB", version, 0, 8)
    return struct.pack("<I", len(head) + len(body)) + head + body


def body(start: int) -> bytes:
    """The unit, a type of it, a function of that type with an entry below it."""
    base = b"\x02int\0\x04"
    ref = struct.pack("<I", start + 5)
    function = b"\x03" + struct.pack("<I", 0) + b"\x80\x01" + ref + struct.pack("<Q", 0x1000)
    inner = b"\x04" + b"\x02ab" + b"\x7e"
    return b"\x01" + struct.pack("<I", 1) + base + function + inner + b"\0\0"


WHOLE = unit(body(12))


def read(info: bytes = WHOLE) -> DebugInfo:
    return DebugInfo(info, ABBREVIATIONS, STRINGS, LINES)


@pytest.mark.parametrize("version", [5, 4, 2])
def test_entries_and_their_values(version: int) -> None:
    start = 12 if version == 5 else 11
    top, base, function, inner = read(unit(body(start), version))
    assert [one.tag for one in (top, base, function, inner)] == [UNIT, BASE, SUBPROGRAM, BASE]
    assert top.text(NAME) == "unit.c"
    assert (base.text(NAME), base.number(SIZE)) == ("int", 4)
    assert (function.text(NAME), function.number(LINE), function.number(LOW)) == ("show", 128, 4096)
    assert function.refers_to(TYPE) is base
    assert (inner.number(SIZE), inner.number(LINE), inner.value(NAME)) == (-1, 1, -2)
    assert isinstance(inner.value(TYPE), bytes)
    assert top.children == [base, function] and function.children == [inner]


def test_what_an_entry_does_not_have() -> None:
    base = [*read()][1]
    assert not base.has(TYPE) and base.has(NAME)
    assert (base.value(TYPE), base.text(TYPE), base.number(TYPE, 7)) == (None, "", 7)
    assert base.refers_to(TYPE) is None
    assert (base.number(NAME), base.text(SIZE)) == (0, ""), "of another kind"


def test_a_reference_is_counted_from_its_own_unit() -> None:
    both = read(WHOLE + WHOLE)
    functions = [one for one in both if one.tag == SUBPROGRAM]
    bases = [one for one in both if one.tag == BASE and one.has(NAME) and one.has(SIZE)]
    assert [one.refers_to(TYPE) for one in functions] == [bases[0], bases[2]]


def test_nothing_is_no_entries() -> None:
    assert [*read(b"")] == []


@pytest.mark.parametrize(
    "info",
    [
        WHOLE[:3],
        WHOLE[:-1],
        unit(body(12), 6),
        unit(b"\x09"),  # a form that is not in the table
        struct.pack("<I", 0xFFFFFFFF) + WHOLE[4:],  # DWARF64
        WHOLE[:6] + b"\x04" + WHOLE[7:],  # a unit that stands elsewhere
    ],
)
def test_what_cannot_be_is_an_error_of_the_named_kinds(info: bytes) -> None:
    with pytest.raises((ValueError, LookupError, struct.error)):
        read(info)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_no_damage_is_another_error(data: st.DataObject) -> None:
    parts = [bytearray(part) for part in (WHOLE, ABBREVIATIONS, STRINGS, LINES)]
    for _ in range(data.draw(st.integers(1, 4))):
        part = parts[data.draw(st.integers(0, 3))]
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    try:
        for entry in DebugInfo(*map(bytes, parts)):
            for name, _, _ in entry.form.attributes:
                entry.value(name)
            entry.refers_to(TYPE)
    except (ValueError, LookupError, struct.error):
        pass
