# SPDX-License-Identifier: MIT
"""Check that every record of BTF is valid, before any of it is used.

kernel/bpf/btf.c (v6.1), btf_check_all_metas(), does the same when the kernel reads BTF.
"""

import re
import struct
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lppack.kernel.btf import (
    ARRAY,
    CONST,
    DATASEC,
    DECL_TAG,
    ENUM,
    ENUM64,
    FLOAT,
    FUNC,
    FUNC_PROTO,
    FWD,
    INT,
    PTR,
    RESTRICT,
    STRUCT,
    TYPE_TAG,
    TYPEDEF,
    UNION,
    VAR,
    VOLATILE,
    Areas,
    Btf,
    areas_of,
    parts_of,
)
from lppack.kernel.errors import FactsError

_RECORD = struct.Struct("<III")  # name, info, size or type

#: Kind -> (32-bit words that follow the record, and words for each of its ``vlen`` entries).
_TAIL = {kind: (0, 0) for kind in range(1, 20)} | {
    INT: (1, 0),
    ARRAY: (3, 0),
    STRUCT: (0, 3),
    UNION: (0, 3),
    ENUM: (0, 2),
    FUNC_PROTO: (0, 2),
    VAR: (1, 0),
    DATASEC: (0, 3),
    DECL_TAG: (1, 0),
    ENUM64: (0, 3),
}
_REFERS = frozenset(
    (PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DECL_TAG, TYPE_TAG)
)
_LISTS = frozenset((STRUCT, UNION, ENUM, FUNC_PROTO, DATASEC, ENUM64))
_NAMED = frozenset((INT, FWD, TYPEDEF, FUNC, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG))
_KEYWORDS = {STRUCT: "struct ", UNION: "union ", TYPEDEF: ""}

# What a table of strings may hold: names, and the texts of types and tags, in ASCII.
_STRINGS = re.compile(rb"(?:[\x20-\x7e]*\0)*")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class CheckedBtf:
    """Validated BTF, and where things are in it."""

    btf: Btf
    offsets: "array[int]"  # of each type in the data
    functions: tuple[tuple[str, int], ...]  # name, number
    types: tuple[tuple[str, int], ...]  # (C name, number): struct, union, typedef of an unnamed one


def check(data: bytes, what: str, base: Btf | None = None) -> CheckedBtf:
    """Validate all of the data. Raise FactsError at the first fault."""
    areas = areas_of(data, what)
    starts = _string_starts(data, areas, what, base)
    offsets = array("I")
    found: dict[int, list[int]] = {FUNC: [], STRUCT: [], UNION: [], TYPEDEF: []}
    names: set[int] = set()
    most = 0  # the greatest type that is referred to
    number = base.end if base else 1
    at = areas.types
    while at < areas.strings:
        if at + 12 > areas.strings:
            raise FactsError(f"{what}: type {number} in its BTF is cut short")
        name, info, value = _RECORD.unpack_from(data, at)
        kind, vlen, _ = parts_of(info)
        if kind not in _TAIL:
            raise FactsError(f"{what}: BTF type {number} has an unknown kind ({info:#x})")
        offsets.append(at)
        at += 12
        fixed, each = _TAIL[kind]
        size = 4 * (fixed + each * vlen)
        if at + size > areas.strings:
            raise FactsError(f"{what}: type {number} in its BTF is cut short")
        names.add(name)
        if kind in _REFERS:
            most = max(most, value)
        if (not name and kind in _NAMED) or (vlen and kind not in _LISTS and kind != FUNC):
            raise FactsError(f"{what}: type {number} in its BTF cannot be of its kind")
        if size:
            words = array("I", data[at : at + size])
            at += size
            if kind in (STRUCT, UNION):
                names.update(words[0::3])
                most = max(most, max(words[1::3]))
                mask = 0xFFFFFF if info >> 31 else 0xFFFFFFFF
                if any(place & mask > 8 * value for place in words[2::3]):
                    raise FactsError(f"{what}: a member of type {number} in its BTF is outside")
            elif kind == FUNC_PROTO:
                names.update(words[0::2])
                most = max(most, max(words[1::2]))
            elif kind == ARRAY:
                most = max(most, words[0], words[1])
            elif kind in (ENUM, ENUM64):
                names.update(words[0::each])
            elif kind == INT and words[0] & 0xFF > 8 * value:
                raise FactsError(f"{what}: type {number} in its BTF has more bits than bytes")
        if kind in found:
            found[kind].append(number)
        number += 1
    if at != areas.strings:
        raise FactsError(f"{what}: the types in its BTF do not end where its strings begin")
    if most >= number:
        raise FactsError(f"{what}: its BTF has types up to {number - 1}, but refers to {most}")
    own = {name for name in names if base is None or name >= base.end_string}
    # A name that begins in the middle of the base's strings shows a base of another build.
    strange = base is not None and not all(map(base.begins_string, names - own))
    if strange or not own <= starts:
        raise FactsError(f"{what}: a name in its BTF is not in its table of strings")
    btf = Btf(data, offsets, what, base)
    return CheckedBtf(
        btf=btf,
        offsets=offsets,
        functions=tuple(_functions(btf, found[FUNC])),
        types=tuple(_types(btf, sorted(found[STRUCT] + found[UNION] + found[TYPEDEF]))),
    )


def stands_alone(data: bytes, what: str) -> bool:
    """Return True if the data needs no base: only then its first string is the empty one.

    tools/lib/bpf/btf.c (v6.1), btf_new_empty().
    """
    areas = areas_of(data, what)
    return data[areas.strings : min(areas.strings + 1, areas.end)] == b"\0"


def _string_starts(data: bytes, areas: Areas, what: str, base: Btf | None) -> set[int]:
    """Return the offsets of the strings, which count on from those of the base."""
    table = data[areas.strings : areas.end]
    first = base.end_string if base else 0
    if _STRINGS.fullmatch(table) is None or stands_alone(data, what) != (base is None):
        raise FactsError(f"{what}: the strings in its BTF are damaged")
    starts = {first}
    at = table.find(b"\0")
    while at >= 0:
        starts.add(first + at + 1)
        at = table.find(b"\0", at + 1)
    starts.discard(first + len(table))  # behind the last
    return starts


def _functions(btf: Btf, numbers: list[int]) -> Iterator[tuple[str, int]]:
    for number in numbers:
        record = btf.record(number)
        if not record.value or btf.record(record.value).kind != FUNC_PROTO:
            raise FactsError(f"{btf.what}: function {record.name!r} in its BTF has no prototype")
        yield _identifier(btf, record.name), number


def as_compiled(
    functions: Sequence[tuple[str, int]], names: Collection[str]
) -> tuple[tuple[str, int], ...]:
    """Return ``functions`` with the types they were compiled with; ``names``: of all symbols.

    If BPF programs do not pass the last arguments of a kfunc, resolve_btfids removes these from its
    type, and keeps the complete type under the name NAME_impl, which no symbol has:
    tools/bpf/resolve_btfids/main.c, process_kfunc_with_implicit_args() (v7.2).
    """
    whole = {
        name: number
        for name, number in functions
        if name.endswith("_impl") and name not in names and name.removesuffix("_impl") in names
    }
    return tuple(
        (name, whole.get(f"{name}_impl", number)) for name, number in functions if name not in whole
    )


def _types(btf: Btf, numbers: list[int]) -> Iterator[tuple[str, int]]:
    for number in numbers:
        record = btf.record(number)
        if record.kind == TYPEDEF:
            target = btf.record(record.value) if record.value else None
            if target is None or target.name or target.kind not in (STRUCT, UNION):
                continue
        if record.name:
            yield _KEYWORDS[record.kind] + _identifier(btf, record.name), number


def _identifier(btf: Btf, name: str) -> str:
    if _IDENTIFIER.fullmatch(name) is None:
        raise FactsError(f"{btf.what}: its BTF has a name that is no C identifier: {name!r}")
    return name
