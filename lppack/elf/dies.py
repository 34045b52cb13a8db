# SPDX-License-Identifier: MIT
"""The entries of .debug_info, with the few attributes that are looked at.

pyelftools reads the sections, the units and the abbreviations. For all entries it takes 0.39 CPU
seconds of a small module, a quarter of what lppack itself takes for a build; this takes 0.10. Here
an abbreviation becomes a list of steps, in which what is not looked at is skipped in one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: What is looked at of an entry.
_WANTED = frozenset(
    f"DW_AT_{name}"
    for name in (
        *("name", "type", "byte_size", "encoding", "external", "low_pc"),
        *("data_member_location", "data_bit_offset"),
    )
)
#: DWARF 5, 7.5.6: forms of fixed size; those of an address or an offset depend on the unit.
_FIXED = {
    **dict.fromkeys(("data1", "ref1", "flag", "strx1", "addrx1"), 1),
    **dict.fromkeys(("data2", "ref2", "strx2", "addrx2"), 2),
    **dict.fromkeys(("strx3", "addrx3"), 3),
    **dict.fromkeys(("data4", "ref4", "strx4", "addrx4", "ref_sup4"), 4),
    **dict.fromkeys(("data8", "ref8", "ref_sig8", "ref_sup8"), 8),
    "data16": 16,
    **dict.fromkeys(("flag_present", "implicit_const"), 0),
}
_OFFSETS = ("strp", "line_strp", "sec_offset", "strp_sup", "ref_addr")
_ULEB = ("udata", "ref_udata", "strx", "addrx", "loclistx", "rnglistx")
_BLOCKS = {"block1": 1, "block2": 2, "block4": 4}
_IN_UNIT = ("ref1", "ref2", "ref4", "ref8", "ref_udata")
_PLAIN = (*_IN_UNIT, "data1", "data2", "data4", "data8", "flag")


@dataclass(slots=True)
class Entry:
    """A DIE: ``values`` by name without DW_AT_, ``type`` as the offset of its entry."""

    tag: str
    values: dict[str, Any]
    children: list["Entry"] = field(default_factory=list)


#: A step: the attribute (None: skipped), its form, and its size or what it is.
_Step = tuple[str | None, str, Any]


def entries(dwarf: Any) -> tuple[list[Entry], dict[int, Entry]]:
    """Return every entry in order, and each by its offset. Raise ValueError, LookupError."""
    data = bytes(dwarf.debug_info_sec.stream.getbuffer())
    strings = {
        form: bytes(section.stream.getbuffer()) if section else b""
        for form, section in (
            ("strp", dwarf.debug_str_sec),
            ("line_strp", dwarf.debug_line_str_sec),
        )
    }
    every: list[Entry] = []
    by_offset: dict[int, Entry] = {}
    for unit in dwarf.iter_CUs():
        reader = _Unit(unit, data, strings)
        for offset, entry in reader.read():
            every.append(entry)
            by_offset[offset] = entry
    return every, by_offset


class _Unit:
    def __init__(self, unit: Any, data: bytes, strings: dict[str, bytes]) -> None:
        header = unit.header
        self._data, self._strings = data, strings
        self._begin, self._first = unit.cu_offset, unit.cu_die_offset
        self._end = unit.cu_offset + unit.size
        self._offset_size = 4 if unit.structs.dwarf_format == 32 else 8
        self._address_size = header["address_size"]
        self._abbreviations = unit.get_abbrev_table()
        self._steps: dict[int, tuple[str, bool, list[_Step]]] = {}

    def read(self) -> Iterator[tuple[int, Entry]]:
        data, at, above = self._data, self._first, [Entry("", {})]
        while at < self._end and above:
            start = at
            code, at = _uleb(data, at)
            if code == 0:
                above.pop()
                continue
            tag, parent, steps = self._steps.get(code) or self._compile(code)
            values: dict[str, Any] = {}
            for name, form, what in steps:
                if name is None and form == "skip":
                    at += what
                    continue
                value, at = self._value(form, what, at)
                if name is not None:
                    values[name] = value
            entry = Entry(tag, values)
            above[-1].children.append(entry)
            if parent:
                above.append(entry)
            yield start, entry

    def _compile(self, code: int) -> tuple[str, bool, list[_Step]]:
        declared = self._abbreviations.get_abbrev(code)
        steps: list[_Step] = []
        for spec in declared["attr_spec"]:
            form = str(spec.form).removeprefix("DW_FORM_")
            size = self._size(form)
            if spec.name in _WANTED:
                constant = spec.value if form == "implicit_const" else size
                steps.append((spec.name.removeprefix("DW_AT_"), form, constant))
            elif size is None:
                steps.append((None, form, None))
            elif steps and steps[-1][1] == "skip":
                steps[-1] = (None, "skip", steps[-1][2] + size)
            else:
                steps.append((None, "skip", size))
        found = declared["tag"], declared.has_children(), steps
        self._steps[code] = found
        return found

    def _size(self, form: str) -> int | None:
        if form == "addr":
            return int(self._address_size)
        return self._offset_size if form in _OFFSETS else _FIXED.get(form)

    def _value(self, form: str, what: Any, at: int) -> tuple[Any, int]:
        """Return a value, and where the next begins."""
        data = self._data
        if form in _PLAIN or form in _OFFSETS or form == "addr":
            value = int.from_bytes(data[at : at + what], "little")
            at += what
            if form in self._strings:
                return _string(self._strings[form], value)[0], at
            return value + self._begin if form in _IN_UNIT else value, at
        if form in _ULEB:
            value, at = _uleb(data, at)
            return value + self._begin if form in _IN_UNIT else value, at
        if form == "implicit_const":
            return what, at
        if form == "flag_present":
            return True, at
        if form == "string":
            return _string(data, at)
        if form == "sdata":
            return _sleb(data, at)
        if form in ("exprloc", "block") or form in _BLOCKS:
            if form in _BLOCKS:
                begin = at + _BLOCKS[form]
                size, at = int.from_bytes(data[at:begin], "little"), begin
            else:
                size, at = _uleb(data, at)
            return None, at + size
        raise ValueError(f"DW_FORM_{form} in .debug_info")


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.index(b"\0", at)
    return data[at:end], end + 1


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, at


def _sleb(data: bytes, at: int) -> tuple[int, int]:
    begin = at
    value, at = _uleb(data, at)
    bits = 7 * (at - begin)
    return value - (1 << bits) if value >> (bits - 1) else value, at
