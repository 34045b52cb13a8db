# SPDX-License-Identifier: MIT
"""Entries of .debug_info: found in one pass, their values read on demand.

pyelftools makes an object of each value; of a small module that takes a third of a second, six
times as long.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

#: DWARF 5, 7.5.6: forms whose values have one size (DWARF32, 8-byte addresses).
_FIXED = {
    **{0x01: 8, 0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x0E: 4, 0x10: 4, 0x11: 1, 0x12: 2},
    **{0x13: 4, 0x14: 8, 0x17: 4, 0x19: 0, 0x1E: 16, 0x1F: 4, 0x20: 8, 0x21: 0},
}
_BLOCKS = {0x03: 2, 0x04: 4, 0x0A: 1}  # the size of their length
_STRING, _BLOCK, _SDATA, _STRP, _UDATA = 0x08, 0x09, 0x0D, 0x0E, 0x0F
_REF_ADDR, _EXPRLOC, _PRESENT, _LINE_STRP, _CONST = 0x10, 0x18, 0x19, 0x1F, 0x21
_COMPILE, _PARTIAL = 1, 3  # kinds of units (DWARF 5, 7.5.1)

Value = int | bytes


@dataclass(frozen=True, slots=True)
class _Form:
    """How a kind of entry is written."""

    tag: int
    has_children: bool
    attributes: tuple[tuple[int, int, int], ...]  # (attribute, form, the value of a constant)
    size: int | None  # of all values, where each has a fixed one


@dataclass(eq=False, slots=True)
class Entry:
    """One entry; ``at`` is where its values begin."""

    info: "DebugInfo"
    unit: int
    form: _Form
    at: int
    children: "list[Entry]" = field(default_factory=list)

    @property
    def tag(self) -> int:
        return self.form.tag

    def has(self, attribute: int) -> bool:
        return any(name == attribute for name, _, _ in self.form.attributes)

    def value(self, attribute: int) -> Value | None:
        """Return the value, a string as bytes; None: it has none."""
        at, data = self.at, self.info.data
        for name, form, constant in self.form.attributes:
            end = _end(data, at, form)
            if name == attribute:
                return self.info.read(form, data[at:end], constant)
            at = end
        return None

    def number(self, attribute: int, default: int = 0) -> int:
        found = self.value(attribute)
        return found if isinstance(found, int) else default

    def text(self, attribute: int) -> str:
        found = self.value(attribute)
        return found.decode(errors="replace") if isinstance(found, bytes) else ""

    def refers_to(self, attribute: int) -> "Entry | None":
        """Return the entry that an attribute names; None: it names none."""
        for name, form, _ in self.form.attributes:
            if name == attribute:
                base = 0 if form == _REF_ADDR else self.unit
                return self.info.entries[base + self.number(attribute)]
        return None


class DebugInfo:
    """The entries of all units, by where they are. Raise ValueError, LookupError, struct.error."""

    def __init__(self, info: bytes, abbreviations: bytes, strings: bytes, lines: bytes) -> None:
        self.data = info
        self.entries: dict[int, Entry] = {}
        self._strings = {_STRP: strings, _LINE_STRP: lines}
        self._abbreviations = abbreviations
        self._forms: dict[int, dict[int, _Form]] = {}
        at = 0
        while at < len(info):
            at = self._read_unit(at)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def read(self, form: int, data: bytes, constant: int) -> Value:
        if form in self._strings:
            strings, start = self._strings[form], int.from_bytes(data, "little")
            return strings[start : strings.index(0, start)]
        if form in (_UDATA, _SDATA):
            return _leb(data, 0, signed=form == _SDATA)[0]
        if form == _STRING:
            return data[:-1]
        if form in (_CONST, _PRESENT):
            return constant if form == _CONST else 1
        return int.from_bytes(data, "little") if form in _FIXED else data

    def _read_unit(self, start: int) -> int:
        length, version = struct.unpack_from("<IH", self.data, start)
        if version == 5:
            kind, _, table = struct.unpack_from("<BBI", self.data, start + 6)
            if kind not in (_COMPILE, _PARTIAL):
                raise ValueError(f"unit type {kind}")
            at = start + 12
        else:
            (table,) = struct.unpack_from("<I", self.data, start + 6)
            at = start + 11
        end: int = start + 4 + length
        if length >= 0xFFFFFFF0 or end > len(self.data) or not 2 <= version <= 5:
            raise ValueError(f"a unit of {length} bytes, version {version}")
        forms = self._forms_at(table)
        data, entries, above = self.data, self.entries, list[Entry]()
        while at < end:
            here, code = at, data[at]
            at += 1
            if code >= 0x80:
                code, at = _leb(data, here, signed=False)
            if not code:
                if above:
                    above.pop()
                continue
            form = forms[code]
            entries[here] = entry = Entry(self, start, form, at)
            if form.size is not None:
                at += form.size
            else:
                for _, kind, _ in form.attributes:
                    at = _end(data, at, kind)
            if above:
                above[-1].children.append(entry)
            if form.has_children:
                above.append(entry)
        return end

    def _forms_at(self, start: int) -> dict[int, _Form]:
        if start in self._forms:
            return self._forms[start]
        data, at, found = self._abbreviations, start, dict[int, _Form]()
        while True:
            code, at = _leb(data, at, signed=False)
            if not code:
                break
            tag, at = _leb(data, at, signed=False)
            has_children, at = bool(data[at]), at + 1
            attributes = []
            while True:
                name, at = _leb(data, at, signed=False)
                form, at = _leb(data, at, signed=False)
                constant = 0
                if form == _CONST:
                    constant, at = _leb(data, at, signed=True)
                if not name and not form:
                    break
                attributes.append((name, form, constant))
            sizes = [_FIXED.get(form) for _, form, _ in attributes]
            size = None if None in sizes else sum(filter(None, sizes))
            found[code] = _Form(tag, has_children, tuple(attributes), size)
        self._forms[start] = found
        return found


def _end(data: bytes, at: int, form: int) -> int:
    """Return where a value ends."""
    size = _FIXED.get(form)
    if size is not None:
        return at + size
    if form == _STRING:
        return data.index(0, at) + 1
    if form in (_BLOCK, _EXPRLOC):
        length, at = _leb(data, at, signed=False)
        return at + length
    if form in (_UDATA, _SDATA):
        while data[at] >= 0x80:
            at += 1
        return at + 1
    width = _BLOCKS.get(form)
    if width is None:
        raise ValueError(f"form {form:#x}")
    return at + width + int.from_bytes(data[at : at + width], "little")


def _leb(data: bytes, at: int, *, signed: bool) -> tuple[int, int]:
    """Read a LEB128 number; return it, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            if signed and byte & 0x40:
                value -= 1 << shift
            return value, at
