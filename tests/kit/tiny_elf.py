# SPDX-License-Identifier: MIT
"""The smallest relocatable ELF file that looks like a kernel module (elf(5))."""

import struct
from collections.abc import Mapping, Sequence

X86_64, AARCH64 = 62, 183
RELOCATABLE, EXECUTABLE = 1, 2
_GLOBAL, _WEAK = 1, 2
_SHN_LIVEPATCH = 0xFF20
_ALLOC, _INFO_LINK, _LIVEPATCH = 0x2, 0x40, 0x00100000

#: (offset, symbol or its index, type, addend)
Reloc = tuple[int, str | int, int, int]

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
    defined: Mapping[str, str | tuple[str, int, int]] | None = None,
    code: Mapping[str, bytes] | None = None,
    relocations: Mapping[str, Sequence[Reloc]] | None = None,
    machine: int = X86_64,
    type_: int = RELOCATABLE,
) -> bytes:
    """``code``: sections that are loaded; ``relocations``: those of each, by the section's name, or
    by that of a relocation section and the section that it is for; ``defined``: a symbol, and its
    section, or its section, value and size."""
    names_ = (*undefined, *weak, *livepatch, *(defined or {}))
    order = [".modinfo", ".symtab", ".strtab", *sections, *(parts or {}), *(code or {})]
    strings = b"\0" + b"".join(f"{name}\0".encode() for name in names_)
    symbols = bytes(24)
    for name in names_:
        bind = _WEAK if name in weak else _GLOBAL
        at = strings.index(f"\0{name}\0".encode()) + 1
        home, value, size = _SHN_LIVEPATCH if name in livepatch else 0, 0, 0
        if defined and name in defined:
            place = defined[name]
            section, value, size = (place, 0, 0) if isinstance(place, str) else place
            home = order.index(section) + 1
        symbols += struct.pack("<IBBHQQ", at, bind << 4, 0, home, value, size)
    info = b"".join(f"{entry}\0".encode() for entry in modinfo)
    made = [
        (".modinfo", 1, 0, info, 0, 0, 0),
        (".symtab", 2, 0, symbols, 3, 1, 24),
        (".strtab", 3, 0, strings, 0, 0, 0),
        *((name, 1, 0, b"x", 0, 0, 0) for name in sections),
        *((name, 1, 0, data, 0, 0, 0) for name, data in (parts or {}).items()),
        *((name, 1, _ALLOC, data, 0, 0, 0) for name, data in (code or {}).items()),
    ]
    for where, entries in (relocations or {}).items():
        table, _, target = where.rpartition(" for ")
        home = next((n for n, part in enumerate(made, 1) if part[0] == target), 0)
        data = b"".join(
            struct.pack("<QQq", offset, (names_.index(name) + 1) << 32 | kind, addend)
            if isinstance(name, str)
            else struct.pack("<QQq", offset, name << 32 | kind, addend)
            for offset, name, kind, addend in entries
        )
        flags = _INFO_LINK | (_ALLOC | _LIVEPATCH if table.startswith(".klp.rela.") else 0)
        made.append((table or f".rela{target}", 4, flags, data, 2, home, 24))
    names = b"\0" + b"".join(f"{name}\0".encode() for name, *_ in made) + b".shstrtab\0"
    made.append((".shstrtab", 3, 0, names, 0, 0, 0))
    body, headers = b"", bytes(64)
    for name, kind, flags, data, link, info_, entry_size in made:
        at = names.index(f"\0{name}\0".encode()) + 1
        headers += struct.pack(
            "<IIQQQQIIQQ", at, kind, flags, 0, 64 + len(body), len(data), link, info_, 1, entry_size
        )
        body += data
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH",
        *(type_, machine, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(made) + 1, len(made)),
    )
    return ident + header + body + headers


def this_module(name: str) -> dict[str, bytes]:
    """The section with struct module, which holds the name that the kernel will list."""
    return {".gnu.linkonce.this_module": bytes(24) + struct.pack("56s", name.encode())}


def patch(
    info: str,
    functions: Mapping[str, Sequence[str]],
    *,
    name: str = "lppack_conn_limit_2",
    modinfo: Sequence[str] = MODINFO,
) -> bytes:
    """A module as lppack makes it: ``info``, and klp_object and klp_func of each object."""
    rodata, data = info.encode() + b"\0", bytes(168 * (len(functions) + 1))
    defined: dict[str, str | tuple[str, int, int]] = {"rodata": ".rodata", "data": ".data"}
    defined |= {"lp_info": (".rodata", 0, len(rodata)), "lp_objects": (".data", 0, len(data))}
    relocations: list[Reloc] = []

    def text(at: int, value: str) -> None:
        nonlocal rodata
        relocations.append((at, "rodata", 1, len(rodata)))
        rodata += value.encode() + b"\0"

    for number, (object_, names) in enumerate(functions.items()):
        if object_ != "vmlinux":
            text(168 * number, object_)
        relocations.append((168 * number + 8, "data", 1, len(data)))
        defined[f"lp_funcs_{object_}"] = (".data", len(data), 152 * (len(names) + 1))
        for place, function in enumerate(names):
            text(len(data) + 152 * place, function)
            relocations.append((len(data) + 152 * place + 8, "data", 1, 0))
        data += bytes(152 * (len(names) + 1))
    return module(
        modinfo,
        parts=this_module(name),
        code={".rodata": rodata, ".data": data},
        defined=defined,
        relocations={".data": relocations},
    )
