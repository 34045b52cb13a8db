# SPDX-License-Identifier: MIT
"""Read BTF, the kernel's own description of its types: in vmlinux, and split BTF in modules.

Documentation/bpf/btf.rst and include/uapi/linux/btf.h (v6.1, v6.12). Btf takes data
that has passed ``lppack.kernel.btf_check``, and builds C text only on request.
"""

import re
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from lppack.kernel.errors import FactsError

_HEADER = struct.Struct("<HBBIIIII")
_MAGIC, _VERSION = 0xEB9F, 1
_RECORD = struct.Struct("<III")  # name, info, size or type
_MEMBER = struct.Struct("<III")  # name, type, offset
_PAIR = struct.Struct("<II")  # name and type of a parameter, name and value of an enumerator

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)

_QUALIFIERS = {CONST: "const ", VOLATILE: "volatile ", RESTRICT: "restrict "}
_KEYWORDS = {STRUCT: "struct", UNION: "union", ENUM: "enum", ENUM64: "enum"}

_INT_SIGNED, _INT_BOOL = 1, 4  # include/uapi/linux/btf.h (v6.1), BTF_INT_SIGNED, BTF_INT_BOOL

_LAYOUT = struct.Struct("<II")  # offset from the end of the header, length
_DEEPEST = 64  # kernel/bpf/btf.c, MAX_RESOLVE_DEPTH is 32 (v6.1)
_LONGEST = 1 << 16  # characters of C text


@dataclass(frozen=True, slots=True)
class Areas:
    """Offsets in bytes at which the parts of the data begin and end."""

    types: int
    strings: int  # directly behind the types
    end: int


def areas_of(data: bytes, what: str) -> Areas:
    """Return the areas of BTF data, after checking its header. Raise FactsError if it is
    invalid."""
    if len(data) < _HEADER.size:
        raise FactsError(f"{what}: its BTF is cut short")
    magic, version, flags, size, types, types_len, strings, strings_len = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or flags:
        raise FactsError(f"{what}: its BTF begins {data[:4].hex()}, which lppack does not know")
    areas = Areas(size + types, size + strings, size + strings + strings_len)
    end = areas.end
    if size >= _HEADER.size + _LAYOUT.size <= len(data):
        # From v7.3 on there may be a table of the kinds and their sizes, which is not needed.
        layout, layout_len = _LAYOUT.unpack_from(data, _HEADER.size)
        if layout_len and size + layout < areas.end:
            raise FactsError(f"{what}: the parts of its BTF are not contiguous")
        end = max(end, size + layout + layout_len) if layout_len else end
    if size < _HEADER.size or areas.types + types_len != areas.strings or end != len(data):
        raise FactsError(f"{what}: the parts of its BTF are not contiguous")
    return areas


def parts_of(info: int) -> tuple[int, int, bool]:
    """Return (kind, vlen, kind_flag) of a type: include/uapi/linux/btf.h (v7.3).

    Up to v7.2, vlen has 16 bits and the kind has 5; the bits that v7.3 adds to them are 0.
    """
    return info >> 24 & 0x7F, info & 0xFFFFFF, bool(info >> 31)


@dataclass(frozen=True, slots=True)
class Record:
    """One type."""

    kind: int
    name: str
    flag: bool  # kind_flag
    vlen: int
    value: int  # its size, or the type that it refers to
    tail: int  # offset of the data that follows the record
    home: "Btf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a struct; members of an unnamed inner struct count as its own."""

    name: str
    type: str  # C text without the name: "char [16]"
    offset: int  # in bits
    bits: int | None  # None: no bit-field


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The memory layout of a struct or union."""

    name: str  # as C says it: "struct file", or a typedef's name
    size: int  # in bytes
    members: tuple[Member, ...]


class Btf:
    """The types of vmlinux, or those that a module adds to them (``base``)."""

    def __init__(
        self, data: bytes, offsets: "array[int]", what: str, base: "Btf | None" = None
    ) -> None:
        """Keep ``data`` that has passed check(), and the offsets of its types."""
        self.data = data
        self.what = what
        self._offsets = offsets
        self._base = base
        self.first: int = base.end if base else 1  # the number of the first type; 0 is void
        self.end: int = self.first + len(offsets)
        areas = areas_of(data, what)
        self._strings = areas.strings
        self.first_string: int = base.end_string if base else 0
        self.end_string: int = self.first_string + areas.end - areas.strings
        self._split: dict[int, tuple[str, str]] = {}

    def record(self, number: int) -> Record:
        """Return type ``number``. Raise FactsError if there is none."""
        if number < self.first and self._base and number:
            return self._base.record(number)
        if not self.first <= number < self.end:
            raise FactsError(f"{self.what}: there is no type {number} in its BTF")
        at = self._offsets[number - self.first]
        name, info, value = _RECORD.unpack_from(self.data, at)
        kind, vlen, flag = parts_of(info)
        return Record(
            kind=kind,
            name=self.string(name),
            flag=flag,
            vlen=vlen,
            value=value,
            tail=at + _RECORD.size,
            home=self,
        )

    def string(self, offset: int) -> str:
        """Return the string at ``offset``; offsets below ``first_string`` are of the base."""
        if offset < self.first_string and self._base:
            return self._base.string(offset)
        start = self._strings + offset - self.first_string
        return self.data[start : self.data.index(b"\0", start)].decode("ascii", errors="replace")

    def begins_string(self, offset: int) -> bool:
        """Return True if ``offset`` is the beginning of a string, not the middle of one."""
        start = self._strings + offset
        return offset < self.end_string and (offset == 0 or self.data[start - 1] == 0)

    def prototype(self, number: int, name: str | None = None) -> str:
        """Return a function as C declares it: ``int show(struct seq_file *m, void *v)``.

        ``name``: the function's name in the kernel, if its type has another one (a kfunc with
        implicit arguments). Raise FactsError if type ``number`` is not a function.
        """
        function = self.record(number)
        if function.kind != FUNC:
            raise FactsError(f"{self.what}: type {number} in its BTF is not a function")
        return self.declare(function.value, name or function.name)

    def declare(self, number: int, name: str = "") -> str:
        """Return a C declaration of ``name`` with that type; without a name, the type as C text."""
        before, behind = self._around(number, 0)
        return f"{before}{name}{behind}".rstrip(" ")

    def signature(self, number: int) -> tuple[str, ...]:
        """Return the types of a function's result and parameters, whatever their C spelling is.

        Typedefs are followed, and qualifiers are dropped: ("s32", "struct file *").
        """
        prototype = self.record(self.record(number).value)
        content = prototype.home.data[prototype.tail :][: _PAIR.size * prototype.vlen]
        kinds = (kind for _, kind in _PAIR.iter_unpack(content))
        return (
            self._word(prototype.value, 0),
            *(self._word(kind, 0) if kind else "..." for kind in kinds),
        )

    def _word(self, number: int, depth: int) -> str:
        if depth > _DEEPEST:
            raise FactsError(f"{self.what}: type {number} in its BTF has no end")
        record = self._resolved(number)
        if record.kind == 0:
            return "void"
        if record.kind == TYPEDEF:
            inner = self._resolved(record.value)
            unnamed = inner.kind in (STRUCT, UNION, ENUM, ENUM64) and not inner.name
            return record.name if unnamed else self._word(record.value, depth + 1)
        if record.kind == PTR:
            return f"{self._word(record.value, depth + 1)} *"
        if record.kind == ARRAY:
            (element,) = struct.unpack_from("<I", record.home.data, record.tail)
            return f"{self._word(element, depth + 1)} []"
        if record.kind == INT:
            (about,) = struct.unpack_from("<I", record.home.data, record.tail)
            if about >> 24 & _INT_BOOL:
                return "bool"
            return f"{'s' if about >> 24 & _INT_SIGNED else 'u'}{record.value * 8}"
        if record.kind == FUNC_PROTO:
            return "function"
        if record.kind in (ENUM, ENUM64):
            return f"enum {record.name}"
        return self._base_text(record, 0)

    def layout(self, number: int, name: str) -> Layout | None:
        """Return the layout of type ``number``, a struct or union or a typedef of one; None if it
        is another type."""
        record = self.record(number)
        if record.kind == TYPEDEF:
            record = self._resolved(record.value)
        if record.kind not in (STRUCT, UNION):
            return None
        return Layout(name=name, size=record.value, members=tuple(self._flat(record, 0, 0)))

    def _resolved(self, number: int) -> Record:
        for _ in range(_DEEPEST):
            if not number:
                return Record(0, "void", False, 0, 0, 0, self)
            record = self.record(number)
            if record.kind not in (*_QUALIFIERS, TYPE_TAG):
                return record
            number = record.value
        raise FactsError(f"{self.what}: type {number} in its BTF has no end")

    def _flat(self, record: Record, start: int, depth: int) -> Iterator[Member]:
        if depth > _DEEPEST:
            raise FactsError(f"{self.what}: a struct in its BTF has no end")
        for name, kind, place in self.members(record):
            offset, bits = (place & 0xFFFFFF, place >> 24) if record.flag else (place, 0)
            if not name:
                inner = self._resolved(kind)
                if inner.kind in (STRUCT, UNION):
                    yield from self._flat(inner, start + offset, depth + 1)
                    continue
            yield Member(
                name=name, type=self.declare(kind), offset=start + offset, bits=bits or None
            )

    def members(self, record: Record) -> Iterator[tuple[str, int, int]]:
        """Yield (name, type, place) of each member of a struct or union."""
        home = record.home
        content = home.data[record.tail : record.tail + _MEMBER.size * record.vlen]
        for name, kind, place in _MEMBER.iter_unpack(content):
            yield home.string(name), kind, place

    def _around(self, number: int, depth: int) -> tuple[str, str]:
        """Return what C writes before and behind a name of that type."""
        if number < self.first and self._base:
            return self._base._around(number, depth)
        if number not in self._split:
            if depth > _DEEPEST:
                raise FactsError(f"{self.what}: type {number} in its BTF has no end")
            around = self._make_around(number, depth + 1)
            if sum(map(len, around)) > _LONGEST:
                raise FactsError(f"{self.what}: type {number} in its BTF is too long for C text")
            self._split[number] = around
        return self._split[number]

    def _make_around(self, number: int, depth: int) -> tuple[str, str]:
        if number == 0:
            return "void ", ""
        record = self.record(number)
        kind = record.kind
        if kind == PTR:
            before, behind = self._around(record.value, depth)
            if self._resolved(record.value).kind in (ARRAY, FUNC_PROTO):
                return f"{before}(*", f"){behind}"
            return f"{before}*", behind
        if kind == ARRAY:
            element, _, count = _MEMBER.unpack_from(self.data, record.tail)
            before, behind = self._around(element, depth)
            return before, f"[{count}]{behind}"
        if kind == FUNC_PROTO:
            before, behind = self._around(record.value, depth)
            return before, f"({self._parameters(record, depth)}){behind}"
        if kind in _QUALIFIERS:
            before, behind = self._around(record.value, depth)
            word = _QUALIFIERS[kind]
            if before.endswith("*") or self._resolved(record.value).kind == PTR:
                return before + word, behind  # char *const
            return word + before, behind
        if kind == TYPE_TAG:  # has no C syntax
            return self._around(record.value, depth)
        return f"{self._base_text(record, depth)} ", ""

    def _parameters(self, record: Record, depth: int) -> str:
        content = self.data[record.tail : record.tail + _PAIR.size * record.vlen]
        texts = []
        for name, kind in _PAIR.iter_unpack(content):
            if kind == 0:
                texts.append("...")
                continue
            before, behind = self._around(kind, depth)
            texts.append(f"{before}{self.string(name)}{behind}".rstrip(" "))
        return ", ".join(texts) or "void"

    def _base_text(self, record: Record, depth: int) -> str:
        if record.kind == FWD:
            return f"{'union' if record.flag else 'struct'} {record.name}"
        keyword = _KEYWORDS.get(record.kind)
        if keyword is None:
            return record.name
        if record.name:
            return f"{keyword} {record.name}"
        if keyword == "enum":
            size = 8 if record.kind == ENUM else 12
            content = self.data[record.tail : record.tail + size * record.vlen]
            names = [
                self.string(name) for name, *_ in struct.iter_unpack(f"<I{size - 4}x", content)
            ]
            return f"enum {{ {', '.join(names)} }}"
        inside = []
        for name, kind, place in self.members(record):
            before, behind = self._around(kind, depth)
            bits = f" : {place >> 24}" if record.flag and place >> 24 else ""
            text = f"{before}{name}{behind}".rstrip(" ")
            inside.append(f"{text}{bits}; ")
        return f"{keyword} {{ {''.join(inside)}}}"


def declaration(name: str, prototype: str) -> str:
    """Return a C declaration of ``name`` with that prototype: ``int name(struct seq_file *m);``."""
    found = _FUNCTION_NAME.search(prototype)
    if found is None:
        raise FactsError(f"cannot read the prototype {prototype!r}")
    return f"{prototype[: found.start()]}{name}{prototype[found.end() :]};"


# Only the function's own name is directly followed by a parenthesis: "void (*get(int x))(int)".
_FUNCTION_NAME = re.compile(r"[A-Za-z_]\w*(?=\()")
