# SPDX-License-Identifier: MIT
"""Compare a linked module with kbuild's module: bytes and relocations, as pyelftools reads them.

pyelftools did not write the linked module, so it is independent. The check is needed because a
relocation with a wrong target would load without an error.
"""

import io
import struct
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from lppack import abi

# section, offset, type, symbol, the symbol's section and value, addend
_Entry = tuple[str, int, int, str, str, int, int]


def differences(kbuilt: bytes, linked: bytes, resolved: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each section whose bytes differ, and for each relocation that differs.

    ``resolved``: undefined symbol -> its name in ``linked``, where the kernel resolves it.
    """
    was, now = _read(kbuilt, resolved), _read(linked, {})
    names = dict.fromkeys([*was[0], *now[0]])
    contents = [f"{name}: other bytes" for name in names if was[0].get(name) != now[0].get(name)]
    odd = Counter(now[1])
    odd.subtract(Counter(was[1]))
    led = [
        f"{section}+{offset:#x}: leads to {symbol or of}{addend:+#x}, unlike kbuild's"
        for (section, offset, _, symbol, of, _, addend), count in sorted(odd.items())
        if count > 0
    ]
    lost = [
        f"{section}+{offset:#x}: no longer leads to {symbol or of}{addend:+#x}"
        for (section, offset, _, symbol, of, _, addend), count in sorted(odd.items())
        if count < 0
    ]
    return (*contents, *led, *lost)


def _read(data: bytes, resolved: Mapping[str, str]) -> tuple[dict[str, bytes], Collection[_Entry]]:
    """Return the bytes of the sections that are loaded, by name, and all their relocations."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    elf = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    sections = list(elf.iter_sections())
    homes = {number: section.name for number, section in enumerate(sections)}
    symbols = [
        (
            resolved.get(one.name, one.name) if one["st_shndx"] == "SHN_UNDEF" else one.name,
            homes.get(one["st_shndx"], ""),
            one["st_value"],
        )
        for one in table.iter_symbols()
    ]
    contents: dict[str, bytes] = {}
    for section in sections:
        if section["sh_flags"] & abi.SHF_ALLOC and section["sh_type"] != "SHT_RELA":
            contents[section.name] = contents.get(section.name, b"") + section.data()

    def entries() -> Iterator[_Entry]:
        for section in sections:
            target = section["sh_info"]
            if section["sh_type"] != "SHT_RELA" or target >= len(sections):
                continue
            if not sections[target]["sh_flags"] & abi.SHF_ALLOC:
                continue
            for offset, info, addend in struct.iter_unpack("<QQq", section.data()):
                name, home, value = symbols[info >> 32]
                kind = info & 0xFFFFFFFF
                yield sections[target].name, offset, kind, name, home, value, addend

    return contents, list(entries())
