# SPDX-License-Identifier: MIT
"""Decode the kernel's own symbol table (kallsyms) from a vmlinux without .symtab.

The tables have no headers, so they are found by their shape. All redundant data in them is
compared, and a table that fails a comparison is refused.

Layout by scripts/kallsyms.c, write_src(); every table begins at a multiple of 8, from 7.x on of 4:
  to 6.1    offsets, relative_base, num_syms, names, markers, token_table, token_index
  6.2, 6.3  the same with seqs_of_names before token_table; so do later 6.1 stable releases
            (seen in 6.1.192), so a version number does not tell the layout
  from 6.4  num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs
  from 7.x  the same without relative_base: each offset counts from its own place (offset_to_ptr())
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lppack.kernel.elf64 import SHF_ALLOC, SHF_EXECINSTR, Elf, Section
from lppack.kernel.errors import FactsError

# scripts/kallsyms.c (v6.1): a digit's token is the digit itself.
_DIGITS = b"".join(b"%d\0" % digit for digit in range(10))
_TOKENS = 256
_MARKER_STEP = 256  # number of names for each marker
_INDEX_SIZE = 2 * _TOKENS
_STEPS = (8, 4)  # possible alignments of the tables, in bytes
# arch/x86/kernel/vmlinux.lds.S (v6.1): a label like _etext may stand behind the padding.
_CODE_ALIGN = 2 << 20
_NO_CODE = "__end_rodata"  # of type T from 6.16 on


@dataclass(frozen=True, slots=True)
class KallsymsEntry:
    """One line of /proc/kallsyms, before KASLR."""

    address: int
    type: str  # one letter, as nm prints it
    name: str


@dataclass(frozen=True, slots=True)
class _Tokens:
    start: int
    end: int  # behind token_index
    table: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Names:
    num_syms: int  # offset of that word
    names: tuple[bytes, ...]  # with the type letter in front


def decode(elf: Elf) -> tuple[KallsymsEntry, ...]:
    """Return all symbols of the kernel in the order of /proc/kallsyms. Raise FactsError."""
    section = elf.section(".rodata")
    if section.address % 8:
        raise FactsError(f"{elf.what}: .rodata begins at an odd address, {section.address:#x}")
    whys = {}
    for step in _STEPS:
        try:
            return _decode(elf, section, step)
        except FactsError as error:
            whys[step] = error
    # Raise the error of the layout that got further: one with a hint found no token table.
    raise next((why for why in whys.values() if why.hint is None), whys[8])


def _decode(elf: Elf, section: Section, step: int) -> tuple[KallsymsEntry, ...]:
    data = elf.content(section)
    tokens = _find_tokens(data, elf.what, step)
    found = _find_names(data, tokens, elf.what, step)
    names = []
    for raw in found.names:
        name = raw.decode("ascii", errors="replace")
        if len(name) < 2 or not name.isascii() or not name.isprintable() or " " in name:
            raise FactsError(f"{elf.what}: kallsyms has an invalid name: {raw!r}")
        if not (name[0].isalpha() or name[0] == "?"):
            raise FactsError(f"{elf.what}: kallsyms has type {name[0]!r} for {name[1:]!r}")
        names.append(name)
    addresses = _find_addresses(elf, section, tokens, found, names, step)
    return tuple(
        KallsymsEntry(address, name[0], name[1:])
        for address, name in zip(addresses, names, strict=True)
    )


def _align(offset: int, step: int) -> int:
    return -(-offset // step) * step


def _find_tokens(data: bytes, what: str, step: int) -> _Tokens:
    """Return token_table and token_index, each confirmed by the other."""
    why = "there is no token table"
    digits = data.find(_DIGITS)
    while digits >= 0:
        why = "the token index does not fit the token table"
        tail = data[digits : digits + 64 * _TOKENS].split(b"\0", _TOKENS - ord("0"))
        end = digits + sum(len(token) + 1 for token in tail[:-1])
        index_at = _align(end, step)
        if len(tail) > _TOKENS - ord("0") and index_at + _INDEX_SIZE <= len(data):
            index = struct.unpack_from(f"<{_TOKENS}H", data, index_at)
            start = digits - index[ord("0")]
            table = tuple(data[max(start, 0) : end].split(b"\0")[:-1])
            lengths = [len(token) + 1 for token in table]
            if (
                start >= 0
                and start % step == 0
                and len(table) == _TOKENS
                and not any(data[end:index_at])
                and index[0] == 0
                and all(b - a == n for (a, b), n in zip(pairwise(index), lengths, strict=False))
            ):
                return _Tokens(start, index_at + _INDEX_SIZE, table)
        digits = data.find(_DIGITS, digits + 1)
    raise FactsError(f"{what}: kallsyms not found: {why}", hint="CONFIG_KALLSYMS must be on")


def _find_names(data: bytes, tokens: _Tokens, what: str, step: int) -> _Names:
    """Return the names, from the first place where num_syms, names and markers agree."""
    why = "there are no markers before the token table"
    for at, markers, low, high in _find_markers(data, tokens.start, step):
        last = markers[-1]
        # The names end where the markers begin; at most 256 of them are behind the last marker.
        first = _align(at - last - step, step)
        for start in range(first, max(at - last - (1 << 16), step) - step, -step):
            if start + last >= at:
                continue
            count = int.from_bytes(data[start - step : start], "little")
            if not low <= count <= high:
                continue
            names, why_not = _expand(data, start, at, count, markers, tokens.table, step)
            if not why_not:
                return _Names(start - step, names)
            why = why_not
    raise FactsError(f"{what}: kallsyms cannot be decoded: {why}")


def _find_markers(
    data: bytes, end: int, step: int
) -> Iterator[tuple[int, tuple[int, ...], int, int]]:
    """Yield (offset, markers, least and greatest num_syms) of each candidate for the markers."""
    # Directly before the token table: go back from the last marker to the first, which is 0.
    padded = step == 8 and data[end - 4 : end] == b"\0\0\0\0"
    at = end - 8 if padded else end - 4
    above = 1 << 32
    while at >= 0:
        (word,) = struct.unpack_from("<I", data, at)
        if word >= above:
            break
        if word == 0:
            count = (end - at) // 4 - padded
            if at % step == 0:
                markers = struct.unpack_from(f"<{count}I", data, at)
                yield at, markers, (count - 1) * _MARKER_STEP + 1, count * _MARKER_STEP
            break
        above = word
        at -= 4
    # With seqs_of_names (three bytes for a symbol) in between: try each size that it may have.
    for seqs in () if step == 4 else range(end - 8, max(end - (1 << 22), 0), -8):
        high = (end - seqs) // 3
        low = (end - seqs - 8) // 3 + 1
        count = -(-high // _MARKER_STEP)
        at = seqs - _align(4 * count, step)
        if at < 8:
            break
        if low > high or data[at : at + 4] != b"\0\0\0\0":
            continue
        markers = struct.unpack_from(f"<{count}I", data, at)
        if all(a < b for a, b in pairwise(markers)):
            yield at, markers, max(low, (count - 1) * _MARKER_STEP + 1), high


def _expand(
    data: bytes,
    start: int,
    end: int,
    count: int,
    markers: tuple[int, ...],
    table: tuple[bytes, ...],
    step: int,
) -> tuple[tuple[bytes, ...], str]:
    """Return (``count`` names, ""), or ((), what is wrong)."""
    names = []
    at = start
    for number in range(count):
        if number % _MARKER_STEP == 0 and at - start != markers[number // _MARKER_STEP]:
            return (), f"marker {number // _MARKER_STEP} does not point at name {number}"
        length = data[at]
        at += 1
        if length & 0x80:  # kernel/kallsyms.c, kallsyms_expand_symbol(): "big" symbol, since 6.1
            length = (length & 0x7F) | data[at] << 7
            at += 1
        if length == 0 or at + length > end:
            return (), f"name {number} has length {length}"
        names.append(b"".join([table[token] for token in data[at : at + length]]))
        at += length
    if _align(at, step) != end or any(data[at:end]):
        return (), f"the {count} names do not end where the markers begin"
    return tuple(names), ""


def _find_addresses(
    elf: Elf, section: Section, tokens: _Tokens, found: _Names, names: list[str], step: int
) -> list[int]:
    """Return the addresses. Raise FactsError unless exactly one way to read them makes sense."""
    data = elf.content(section)
    if step == 4:
        readings = _from_their_places(data, section.address, tokens.end, len(names))
    else:
        readings = _readings(data, tokens.end, found.num_syms, len(names))
    fits = []
    why = []
    for rule, addresses in readings:
        trouble = _trouble(elf, names, addresses)
        if trouble:
            why.append(f"{rule}: {trouble}")
        else:
            fits.append(addresses)
    if len(fits) != 1:
        reason = "; ".join(why) if not fits else "more than one reading fits"
        raise FactsError(f"{elf.what}: the addresses in kallsyms make no sense: {reason}")
    return fits[0]


def _readings(
    data: bytes, behind: int, num_syms: int, count: int
) -> Iterator[tuple[str, list[int]]]:
    """Yield each reading, (rule, addresses): kernel/kallsyms.c, kallsyms_sym_address() (v6.1)."""
    size = _align(4 * count, 8)
    places = (("before the names", num_syms - 8 - size), ("behind the tokens", behind))
    for where, at in places:
        if at < 0 or at + size + 8 > len(data):
            continue
        (base,) = struct.unpack_from("<Q", data, at + size)
        offsets = struct.unpack_from(f"<{count}i", data, at)
        # CONFIG_KALLSYMS_ABSOLUTE_PERCPU: negative is relative, the rest are absolute.
        yield (
            f"{where}, absolute per-CPU",
            [value if value >= 0 else base - 1 - value for value in offsets],
        )
        yield f"{where}, relative", [base + (value & 0xFFFFFFFF) for value in offsets]
    if num_syms >= 8 * count:  # without CONFIG_KALLSYMS_BASE_RELATIVE
        yield "absolute", list(struct.unpack_from(f"<{count}Q", data, num_syms - 8 * count))


def _from_their_places(
    data: bytes, start: int, at: int, count: int
) -> Iterator[tuple[str, list[int]]]:
    """Yield the same as kernel/kallsyms.c of v7.2 reads it; ``start``: the address of ``data``."""
    if at + 4 * count <= len(data):
        offsets = struct.unpack_from(f"<{count}i", data, at)
        first = start + at
        yield "place-relative", [first + 4 * n + value for n, value in enumerate(offsets)]


def _trouble(elf: Elf, names: list[str], addresses: list[int]) -> str:
    """Return why these cannot be the addresses; "" if they can."""
    # scripts/kallsyms.c, compare_symbols(): sorted by address.
    if any(a > b for a, b in pairwise(addresses)):
        return "they do not ascend"
    if addresses[-1] >> 64:
        return "they are too big"
    by_name = {name[1:]: address for name, address in zip(names, addresses, strict=True)}
    text = elf.section(".text").address
    # arch/x86/kernel/vmlinux.lds.S (v6.1): .text begins with _text.
    if by_name.get("_text", by_name.get("_stext")) != text:
        return "_text is not where .text begins"
    spans = sorted(
        (section.address, section.address + section.size)
        for section in elf.sections
        if section.flags & SHF_ALLOC and section.flags & SHF_EXECINSTR
    )
    starts = [start for start, _ in spans]
    for name, address in zip(names, addresses, strict=True):
        if name[0] in "tT" and name[1:] != _NO_CODE:
            place = bisect_right(starts, address) - 1
            if place < 0 or address > spans[place][1] + _CODE_ALIGN:
                return f"{name[1:]} ({name[0]}) is outside the code"
    return ""
