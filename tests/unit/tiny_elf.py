# SPDX-License-Identifier: MIT
"""The smallest relocatable ELF file that looks like a kernel module (elf(5))."""

import struct
from collections.abc import Mapping, Sequence

X86_64, AARCH64 = 62, 183
RELOCATABLE, EXECUTABLE = 1, 2
_GLOBAL, _WEAK = 1, 2
_SHN_LIVEPATCH = 0xFF20

MODINFO = (
    "license=GPL v2",
    "description=x",
    "depends=",
    "livepatch=Y",
    "name=lppack_conn_limit_2",
    "vermagic=6.1.0-56-amd64 SMP preempt mod_unload modversions ",
)


def versions(**checksums: int) -> bytes:
    """What __versions holds (struct modversion_info)."""
    return b"".join(struct.pack("<Q56s", crc, name.encode()) for name, crc in checksums.items())


def module(
    modinfo: Sequence[str] = MODINFO,
    *,
    undefined: Sequence[str] = ("_printk", "klp_enable_patch"),
    weak: Sequence[str] = (),
    sections: Sequence[str] = (),
    parts: Mapping[str, bytes] | None = None,
    livepatch: Sequence[str] = (),
    machine: int = X86_64,
    type_: int = RELOCATABLE,
) -> bytes:
    names_ = (*undefined, *weak, *livepatch)
    strings = b"\0" + b"".join(f"{name}\0".encode() for name in names_)
    symbols = bytes(24)
    for name in names_:
        bind = _WEAK if name in weak else _GLOBAL
        at = strings.index(f"\0{name}\0".encode()) + 1
        home = _SHN_LIVEPATCH if name in livepatch else 0
        symbols += struct.pack("<IBBHQQ", at, bind << 4, 0, home, 0, 0)
    info = b"".join(f"{entry}\0".encode() for entry in modinfo)
    made = [
        (".modinfo", 1, info, 0, 0),
        (".symtab", 2, symbols, 3, 24),
        (".strtab", 3, strings, 0, 0),
        *((name, 1, b"x", 0, 0) for name in sections),
        *((name, 1, data, 0, 0) for name, data in (parts or {}).items()),
    ]
    names = b"\0" + b"".join(f"{name}\0".encode() for name, *_ in made) + b".shstrtab\0"
    made.append((".shstrtab", 3, names, 0, 0))
    body, headers = b"", bytes(64)
    for name, kind, data, link, entry_size in made:
        at = names.index(f"\0{name}\0".encode()) + 1
        local = 1 if kind == 2 else 0
        headers += struct.pack(
            "<IIQQQQIIQQ", at, kind, 0, 0, 64 + len(body), len(data), link, local, 1, entry_size
        )
        body += data
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH",
        *(type_, machine, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(made) + 1, len(made)),
    )
    return ident + header + body + headers
