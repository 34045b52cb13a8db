# SPDX-License-Identifier: MIT
"""The ways out of a kernel, tried on its image as lppack_engine.ko tries them when it is loaded.

The table is the module's (kmod/engine/ways.c), where it is also said why.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from lppack import resources

if TYPE_CHECKING:
    from lppack.kernel.elf64 import Elf
    from lppack.kernel.kallsyms import KallsymsEntry

_WAY = re.compile(r'\{ "([^"]+)",\s*\{([^}]*)\},\s*\{([^}]*)\} \}')
_NAME = re.compile(r'"([^"]+)"')
_PADDING = 16  # LPE_PADDING
_DISTANCE = struct.Struct("<i")
_SHORT = struct.Struct("<b")


class Way(NamedTuple):
    what: str
    starts: tuple[str, ...]  # those that are there; one of them has to call one of the ends
    ends: tuple[str, ...]


@cache
def ways() -> tuple[Way, ...]:
    text = (resources.kmod_dir() / "engine/ways.c").read_text()
    return tuple(
        Way(what, tuple(_NAME.findall(starts)), tuple(_NAME.findall(ends)))
        for what, starts, ends in _WAY.findall(text)
    )


def unknown_ways(elf: "Elf", entries: "Sequence[KallsymsEntry]") -> tuple[str, ...]:
    """Return the ways out of this kernel that the engine does not know."""
    known = {name for way in ways() for names in way[1:] for name in names}
    where: dict[str, int] = {}
    for entry in entries:
        if entry.name in known:
            where.setdefault(entry.name, entry.address)
    addresses = sorted({entry.address for entry in entries})
    return tuple(way.what for way in ways() if not _leads_out(elf, way, where, addresses))


def _leads_out(elf: "Elf", way: Way, where: dict[str, int], addresses: Sequence[int]) -> bool:
    ends = [where[name] for name in way.ends if name in where]
    for start in (where[name] for name in way.starts if name in where):
        end = addresses[bisect_right(addresses, start)]
        code = elf.at(start, end - start)
        if any(_leads_to(code, start, one) for one in ends):
            return True
    return False


def _leads_to(code: bytes, start: int, end: int) -> bool:
    """lpe_leads_to() of the module."""
    for at in range(2, len(code) + 1):
        if code[at - 2] == 0xEB and start + at + _SHORT.unpack_from(code, at - 1)[0] == end:
            return True
        if at + _DISTANCE.size > len(code):
            continue
        target = start + at + _DISTANCE.size + _DISTANCE.unpack_from(code, at)[0]
        if 0 <= end - target <= _PADDING and (
            code[at - 1] in (0xE8, 0xE9) or (code[at - 2] == 0x0F and code[at - 1] & 0xF0 == 0x80)
        ):
            return True
    return False
