# SPDX-License-Identifier: MIT
"""Layouts of structs and signatures of functions, from the debug information of a module that is
not stripped yet."""

import io
import struct
from dataclasses import dataclass
from typing import Any

from lppack.errors import BuildFailed

#: DWARF 5, 7.8: encodings of base types.
_BOOLEAN, _SIGNED = 2, (5, 6)
_AGGREGATES = {"DW_TAG_structure_type": "struct", "DW_TAG_union_type": "union"}
_QUALIFIERS = ("DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_restrict_type")

#: elf(5), Elf64_Sym and Elf64_Rela; psABI x86-64, table 4.9: R_X86_64_64 and R_X86_64_32, S + A.
_SYMBOL, _RELOCATION = struct.Struct("<IBBHQQ"), struct.Struct("<QQq")
_PLACES = {1: struct.Struct("<Q"), 10: struct.Struct("<I")}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CompiledLayout:
    """The memory layout of a struct or union, as compiled."""

    name: str  # "struct file"
    size: int  # in bytes
    members: tuple[tuple[str, int], ...]  # (name, offset in bits); as in kernel.btf.Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTypes:
    layouts: tuple[CompiledLayout, ...]
    signatures: tuple[tuple[str, tuple[str, ...]], ...]  # (function, its result and parameters)


def compiled_types(module: bytes) -> CompiledTypes:
    """Return all named layouts in the module's debug information, and its global functions.

    Raise BuildFailed if there is no debug information, or it cannot be read.
    """
    from elftools.common.exceptions import DWARFError, ELFError
    from elftools.elf.elffile import ELFFile

    layouts: dict[CompiledLayout, None] = {}
    signatures: dict[str, tuple[str, ...]] = {}
    try:
        elf = ELFFile(io.BytesIO(module))
        if not elf.has_dwarf_info():
            raise BuildFailed("the module was compiled without debug information")
        dwarf: Any = elf.get_dwarf_info(relocate_dwarf_sections=False)
        _relocate(elf, dwarf.debug_info_sec.stream.getbuffer())
        for unit in dwarf.iter_CUs():
            for entry in unit.iter_DIEs():
                if entry.tag in _AGGREGATES and _names_a_whole(entry):
                    layouts[_layout(entry)] = None
                elif entry.tag == "DW_TAG_subprogram" and _is_defined(entry):
                    signatures[_name(entry)] = _signature(entry)
    except (DWARFError, ELFError, LookupError, ValueError, struct.error) as error:
        raise BuildFailed(f"the module's debug information cannot be read: {error}") from None
    return CompiledTypes(
        layouts=tuple(sorted(layouts)), signatures=tuple(sorted(signatures.items()))
    )


def _relocate(elf: Any, entries: memoryview) -> None:
    """Apply the relocations of .debug_info: only these change what is read here.

    pyelftools would apply those of all sections, entry by entry: a quarter of the time of a build.
    """
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


# pyelftools has no type annotations: each ``entry`` below is a DIE.
def _value(entry: Any, attribute: str, default: Any = None) -> Any:
    found = entry.attributes.get(f"DW_AT_{attribute}")
    return default if found is None else found.value


def _name(entry: Any) -> str:
    return str(_value(entry, "name", b"").decode(errors="replace"))


def _type(entry: Any) -> Any:
    """Return the entry of the type of ``entry``; None: void."""
    return entry.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in entry.attributes else None


def _names_a_whole(entry: Any) -> bool:
    return "DW_AT_name" in entry.attributes and "DW_AT_byte_size" in entry.attributes


def _is_defined(entry: Any) -> bool:
    return bool(_value(entry, "external")) and "DW_AT_low_pc" in entry.attributes


def _layout(entry: Any) -> CompiledLayout:
    return CompiledLayout(
        name=f"{_AGGREGATES[entry.tag]} {_name(entry)}",
        size=_value(entry, "byte_size"),
        members=tuple(_members(entry, 0)),
    )


def _members(entry: Any, start: int) -> list[tuple[str, int]]:
    """Return (name, offset in bits) of each member, including those of unnamed inner structs."""
    found: list[tuple[str, int]] = []
    for member in entry.iter_children():
        if member.tag != "DW_TAG_member":
            continue
        bits = _value(member, "data_member_location", 0) * 8
        offset = start + bits + _value(member, "data_bit_offset", 0)
        inner = _resolved(_type(member))
        if "DW_AT_name" not in member.attributes and inner is not None:
            if inner.tag in _AGGREGATES:
                found += _members(inner, offset)
        else:
            found.append((_name(member), offset))
    return found


def _resolved(entry: Any) -> Any:
    while entry is not None and entry.tag in _QUALIFIERS:
        entry = _type(entry)
    return entry


def _signature(entry: Any) -> tuple[str, ...]:
    texts = [_text(_type(entry))]
    for child in entry.iter_children():
        if child.tag == "DW_TAG_formal_parameter":
            texts.append(_text(_type(child)))
        elif child.tag == "DW_TAG_unspecified_parameters":
            texts.append("...")
    return tuple(texts)


def _text(entry: Any) -> str:
    """Return the text of a type, in the same words as Btf.signature()."""
    entry = _resolved(entry)
    if entry is None:
        return "void"
    if entry.tag == "DW_TAG_typedef":
        inner = _resolved(_type(entry))
        unnamed = inner is not None and inner.tag in (*_AGGREGATES, "DW_TAG_enumeration_type")
        return _name(entry) if unnamed and not _name(inner) else _text(inner)
    if entry.tag == "DW_TAG_pointer_type":
        return f"{_text(_type(entry))} *"
    if entry.tag in _AGGREGATES:
        return f"{_AGGREGATES[entry.tag]} {_name(entry)}"
    if entry.tag == "DW_TAG_enumeration_type":
        return f"enum {_name(entry)}"
    if entry.tag == "DW_TAG_array_type":
        return f"{_text(_type(entry))} []"
    if entry.tag == "DW_TAG_base_type":
        bits, encoding = 8 * _value(entry, "byte_size"), _value(entry, "encoding")
        if encoding == _BOOLEAN:
            return "bool"
        return f"{'s' if encoding in _SIGNED else 'u'}{bits}"
    return "function"
