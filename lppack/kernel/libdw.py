# SPDX-License-Identifier: MIT
"""The part of elfutils' libdw that lppack uses; libdw reads debug information.

Reading a whole vmlinux takes libdw 7 seconds; pyelftools takes five minutes.
"""

import ctypes
from functools import cache

from lppack.errors import EnvironmentMissing

LIBRARY = "libdw.so.1"
PACKAGE = "libdw1"


class Die(ctypes.Structure):
    """libdw.h: Dwarf_Die, one entry of the debug information."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("unit", ctypes.c_void_p),
        ("abbreviation", ctypes.c_void_p),
        ("padding", ctypes.c_long),
    )


class Attribute(ctypes.Structure):
    """libdw.h: Dwarf_Attribute."""

    _fields_ = (
        ("code", ctypes.c_uint),
        ("form", ctypes.c_uint),
        ("value", ctypes.c_void_p),
        ("unit", ctypes.c_void_p),
    )


_DIE = ctypes.POINTER(Die)
_ATTRIBUTE = ctypes.POINTER(Attribute)
_ANY = ctypes.c_void_p
_INT = ctypes.c_int
_NUMBER = ctypes.POINTER(ctypes.c_uint64)

#: libdw.h and libdwelf.h of elfutils 0.188: function -> (its result, its arguments).
_FUNCTIONS = {
    "dwarf_begin": (_ANY, (_INT, _INT)),
    "dwarf_end": (_INT, (_ANY,)),
    "dwarf_errmsg": (ctypes.c_char_p, (_INT,)),
    "dwarf_getelf": (_ANY, (_ANY,)),
    "dwelf_elf_gnu_build_id": (ctypes.c_ssize_t, (_ANY, ctypes.POINTER(_ANY))),
    "dwarf_get_units": (_INT, (_ANY, _ANY, ctypes.POINTER(_ANY), _ANY, _ANY, _DIE, _ANY)),
    "dwarf_child": (_INT, (_DIE, _DIE)),
    "dwarf_siblingof": (_INT, (_DIE, _DIE)),
    "dwarf_tag": (_INT, (_DIE,)),
    "dwarf_dieoffset": (ctypes.c_uint64, (_DIE,)),
    "dwarf_attr": (_ANY, (_DIE, ctypes.c_uint, _ATTRIBUTE)),
    "dwarf_formref_die": (_ANY, (_ATTRIBUTE, _DIE)),
    "dwarf_diename": (ctypes.c_char_p, (_DIE,)),
    "dwarf_decl_file": (ctypes.c_char_p, (_DIE,)),
    "dwarf_decl_line": (_INT, (_DIE, ctypes.POINTER(_INT))),
    "dwarf_ranges": (ctypes.c_ssize_t, (_DIE, ctypes.c_ssize_t, _NUMBER, _NUMBER, _NUMBER)),
}


@cache
def library(name: str = LIBRARY) -> ctypes.CDLL:
    """Return libdw, each function with its types. Raise EnvironmentMissing if this machine has
    none, or one that lacks a function."""
    try:
        found = ctypes.CDLL(name)
        for function_name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(found, function_name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        what = "which was not found" if isinstance(error, OSError) else f"which is too old: {error}"
        raise EnvironmentMissing(
            f"debug information is read with {name}, {what}",
            hint=f"apt-get install {PACKAGE}, or run: lppack doctor --fix",
        ) from error
    return found
