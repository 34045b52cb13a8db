# SPDX-License-Identifier: MIT
"""What the compiler says of the types in a module, in its debug information, before it is
stripped: layouts of structs, and the signatures of functions."""

import io
import struct
from dataclasses import dataclass
from typing import Any

from lppack.elf.debug_info import DebugInfo, Entry
from lppack.errors import BuildFailed

# DWARF 5, 7.5.3 to 7.5.5 and 7.8: the entries, attributes and encodings that are looked at.
_ARRAY, _ENUMERATION, _PARAMETER, _MEMBER, _POINTER = 0x01, 0x04, 0x05, 0x0D, 0x0F
_TYPEDEF, _UNSPECIFIED_PARAMETERS, _BASE, _SUBPROGRAM = 0x16, 0x18, 0x24, 0x2E
_AGGREGATES = {0x13: "struct", 0x17: "union"}
_QUALIFIERS = (0x26, 0x35, 0x37)  # const, volatile, restrict
_NAME, _BYTE_SIZE, _LOW_PC, _MEMBER_LOCATION = 0x03, 0x0B, 0x11, 0x38
_ENCODING, _EXTERNAL, _TYPE, _BIT_OFFSET = 0x3E, 0x3F, 0x49, 0x6B
_BOOLEAN, _SIGNED = 2, (5, 6)

#: elf(5), Elf64_Sym and Elf64_Rela; psABI x86-64, table 4.9: R_X86_64_64 and R_X86_64_32, S + A.
_SYMBOL, _RELOCATION = struct.Struct("<IBBHQQ"), struct.Struct("<QQq")
_PLACES = {1: struct.Struct("<Q"), 10: struct.Struct("<I")}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CompiledLayout:
    """How a struct or union lies in memory, as it was compiled."""

    name: str  # "struct file"
    size: int  # in bytes
    members: tuple[tuple[str, int], ...]  # (name, offset in bits); as in kernel.btf.Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTypes:
    layouts: tuple[CompiledLayout, ...]
    signatures: tuple[tuple[str, tuple[str, ...]], ...]  # (function, its result and parameters)


def compiled_types(module: bytes) -> CompiledTypes:
    """Every layout that the module uses, and its functions that others can call.

    Raise BuildFailed if there is no debug information, or it cannot be read.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    layouts: dict[CompiledLayout, None] = {}
    signatures: dict[str, tuple[str, ...]] = {}
    try:
        elf = ELFFile(io.BytesIO(module))
        if elf.get_section_by_name(".debug_info") is None:
            raise BuildFailed("the module was compiled without debug information")
        parts = {name: _data(elf, f".debug_{name}") for name in ("abbrev", "str", "line_str")}
        info = bytearray(_data(elf, ".debug_info"))
        _relocate(elf, info)
        for entry in DebugInfo(bytes(info), parts["abbrev"], parts["str"], parts["line_str"]):
            if entry.tag in _AGGREGATES and entry.has(_NAME) and entry.has(_BYTE_SIZE):
                layouts[_layout(entry)] = None
            elif entry.tag == _SUBPROGRAM and entry.has(_EXTERNAL) and entry.has(_LOW_PC):
                signatures[entry.text(_NAME)] = _signature(entry)
    except (ELFError, LookupError, ValueError, struct.error) as error:
        raise BuildFailed(f"the module's debug information cannot be read: {error}") from None
    return CompiledTypes(
        layouts=tuple(sorted(layouts)), signatures=tuple(sorted(signatures.items()))
    )


def _data(elf: Any, name: str) -> bytes:
    section = elf.get_section_by_name(name)
    return b"" if section is None else bytes(section.data())


def _relocate(elf: Any, entries: bytearray) -> None:
    """Apply the relocations of .debug_info, the one section that is read whose relocations
    count."""
    relocations = elf.get_section_by_name(".rela.debug_info")
    if relocations is None:
        return
    symbols = elf.get_section(relocations["sh_link"]).data()
    values = [value for *_, value, _ in _SYMBOL.iter_unpack(symbols)]
    for offset, info, addend in _RELOCATION.iter_unpack(relocations.data()):
        where = _PLACES.get(info & 0xFFFFFFFF)
        if where is None:
            raise ValueError(f"relocation type {info & 0xFFFFFFFF} in .debug_info")
        value = values[info >> 32] + addend
        where.pack_into(entries, offset, value & ((1 << 8 * where.size) - 1))


def _layout(entry: Entry) -> CompiledLayout:
    return CompiledLayout(
        name=f"{_AGGREGATES[entry.tag]} {entry.text(_NAME)}",
        size=entry.number(_BYTE_SIZE),
        members=tuple(_members(entry, 0)),
    )


def _members(entry: Entry, start: int) -> list[tuple[str, int]]:
    """Members of an unnamed inner struct count as its own."""
    found: list[tuple[str, int]] = []
    for member in entry.children:
        if member.tag != _MEMBER:
            continue
        offset = start + member.number(_MEMBER_LOCATION) * 8 + member.number(_BIT_OFFSET)
        if member.has(_NAME):
            found.append((member.text(_NAME), offset))
            continue
        inner = _resolved(member.refers_to(_TYPE))
        if inner is None:
            found.append(("", offset))
        elif inner.tag in _AGGREGATES:
            found += _members(inner, offset)
    return found


def _resolved(entry: Entry | None) -> Entry | None:
    while entry is not None and entry.tag in _QUALIFIERS:
        entry = entry.refers_to(_TYPE)
    return entry


def _signature(entry: Entry) -> tuple[str, ...]:
    texts = [_text(entry.refers_to(_TYPE))]
    for child in entry.children:
        if child.tag == _PARAMETER:
            texts.append(_text(child.refers_to(_TYPE)))
        elif child.tag == _UNSPECIFIED_PARAMETERS:
            texts.append("...")
    return tuple(texts)


def _text(entry: Entry | None) -> str:
    """Return the same words as Btf.signature()."""
    entry = _resolved(entry)
    if entry is None:
        return "void"
    if entry.tag == _TYPEDEF:
        inner = _resolved(entry.refers_to(_TYPE))
        unnamed = inner is not None and inner.tag in (*_AGGREGATES, _ENUMERATION)
        return entry.text(_NAME) if unnamed and inner and not inner.has(_NAME) else _text(inner)
    if entry.tag == _POINTER:
        return f"{_text(entry.refers_to(_TYPE))} *"
    if entry.tag in _AGGREGATES:
        return f"{_AGGREGATES[entry.tag]} {entry.text(_NAME)}"
    if entry.tag == _ENUMERATION:
        return f"enum {entry.text(_NAME)}"
    if entry.tag == _ARRAY:
        return f"{_text(entry.refers_to(_TYPE))} []"
    if entry.tag == _BASE:
        bits, encoding = 8 * entry.number(_BYTE_SIZE), entry.number(_ENCODING)
        if encoding == _BOOLEAN:
            return "bool"
        return f"{'s' if encoding in _SIGNED else 'u'}{bits}"
    return "function"
