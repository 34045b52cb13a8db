# SPDX-License-Identifier: MIT
"""How a patch module made by lppack describes itself, read from its bytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lppack import abi
from lppack.elf.module import NotAModule
from lppack.elf.rewrite import NotRewritable, Relocatable, SymbolEntry
from lppack.shape import printable, read_json

_POINTER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    name: str  # under which the kernel lists the module; modinfo may differ
    info: dict[str, Any]  # what parameter `info` shows; empty: not made by lppack
    functions: frozenset[tuple[str, str]]  # (object, function) that it replaces


def identity(data: bytes) -> Identity:
    """Return the identity of a module. Raise NotAModule if it cannot be read."""
    try:
        file = Relocatable(data)
        return Identity(name=_name(file), info=_info(file), functions=frozenset(_functions(file)))
    except NotRewritable as error:
        raise NotAModule(error.message) from None
    except (IndexError, ValueError, OverflowError, struct.error) as error:
        raise NotAModule(f"cannot be read as a module: {error}") from None


def _name(file: Relocatable) -> str:
    # kernel/module/main.c (v6.1): the kernel takes the name from `struct module`, which is in this
    # section; the name in modinfo is only for messages.
    for section in file.sections:
        if section.name == abi.MODULE_STRUCT:
            return _text(section.data, abi.MODULE_STRUCT_NAME)
    raise NotAModule(f"has no section {abi.MODULE_STRUCT}")


def _info(file: Relocatable) -> dict[str, Any]:
    """Return the decoded JSON of `lp_info` (templates/module/lp_glue.c.j2); {} if there is none."""
    symbol = _symbol(file, "lp_info")
    if symbol is None:
        return {}
    found = read_json(_text(file.sections[symbol.section].data, symbol.value), clean=False)
    return found if isinstance(found, dict) else {}


def _functions(file: Relocatable) -> Iterator[tuple[str, str]]:
    """Walk `lp_objects` of the generated code: struct klp_object begins with name and funcs, struct
    klp_func with old_name and new_func (include/linux/livepatch.h, v6.1)."""
    objects = _symbol(file, "lp_objects")
    if objects is None:
        return
    pointers = _pointers(file, objects)
    for offset in sorted(pointers):
        for funcs in _arrays(file, *pointers[offset]):
            name = pointers.get(offset - _POINTER)
            object_ = _text(file.sections[name[0]].data, name[1]) if name else "vmlinux"
            inside = _pointers(file, funcs)
            for at in inside:
                if at + _POINTER in inside:  # old_name, with new_func behind it
                    home, place = inside[at]
                    yield object_, _text(file.sections[home].data, place)


def _arrays(file: Relocatable, section: int, value: int) -> Iterator[SymbolEntry]:
    for symbol in file.symbols:
        here = (symbol.section, symbol.value) == (section, value)
        if here and symbol.name.startswith("lp_funcs_"):
            yield symbol


def _symbol(file: Relocatable, name: str) -> SymbolEntry | None:
    for symbol in file.symbols:
        if symbol.name == name and 0 < symbol.section < len(file.sections):
            return symbol
    return None


def _pointers(file: Relocatable, of: SymbolEntry) -> dict[int, tuple[int, int]]:
    """Return the pointers inside a variable: offset -> (section, place in it)."""
    found = {}
    for section in file.sections:
        if section.type != abi.SHT_RELA or section.info != of.section:
            continue
        for entry in file.relocations(section):
            if of.value <= entry.offset < of.value + of.size:
                to = file.symbols[entry.symbol]
                if 0 < to.section < len(file.sections):
                    found[entry.offset] = (to.section, to.value + entry.addend)
    return found


def _text(data: bytes, at: int) -> str:
    if not 0 <= at < len(data):
        raise ValueError(f"a text at byte {at} of a section of {len(data)} bytes")
    return printable(data[at:].partition(b"\0")[0].decode())
