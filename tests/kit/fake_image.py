# SPDX-License-Identifier: MIT
"""Makes small kernels: the encoder to lppack.kernel's decoder, written from scripts/kallsyms.c."""

import bz2
import gzip
import lzma
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from lppack.kernel.kallsyms import KallsymsEntry

TEXT = 0xFFFFFFFF81000000
RODATA = 0xFFFFFFFF82000000
KSYMTAB = 0xFFFFFFFF82400000
STRINGS = 0xFFFFFFFF82500000
BTF = 0xFFFFFFFF82600000
INIT = 0xFFFFFFFF83000000
INIT_DATA = 0xFFFFFFFF83100000
SIZE = 0x10000  # of .text and .init.text

RELEASE = "6.1.0-99-amd64"
VERSION = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.999-1 (2026-01-01)"

LAYOUTS = ("6.1", "6.2", "6.4", "7.2")
RULES = ("percpu", "relative", "absolute")

#: A kernel of two same-named functions, a clone, a function without a site, and one of init.
SYMBOLS = (
    KallsymsEntry(0, "A", "fixed_percpu_data"),
    KallsymsEntry(0x1000, "A", "cpu_number"),
    KallsymsEntry(TEXT, "T", "_text"),
    KallsymsEntry(TEXT, "T", "_stext"),
    KallsymsEntry(TEXT + 0x100, "t", "alpha_open"),
    KallsymsEntry(TEXT + 0x140, "t", "s_show"),
    KallsymsEntry(TEXT + 0x180, "T", "native_clock"),
    KallsymsEntry(TEXT + 0x200, "t", "beta_open"),
    KallsymsEntry(TEXT + 0x240, "t", "s_show"),
    KallsymsEntry(TEXT + 0x280, "t", "split_me.isra.0"),
    KallsymsEntry(TEXT + 0x2C0, "t", "proc_name_show"),
    KallsymsEntry(TEXT + 0x2C0, "T", "proc_name_alias"),
    KallsymsEntry(TEXT + 0x300, "t", "tiny"),
    KallsymsEntry(TEXT + 0x304, "t", "after_tiny"),
    KallsymsEntry(TEXT + 0x340, "t", "with_endbr"),
    KallsymsEntry(TEXT + 0x380, "t", "with_endbr.cold"),
    KallsymsEntry(INIT, "D", "__init_begin"),
    KallsymsEntry(INIT + 0x40, "T", "start_here"),
    KallsymsEntry(INIT_DATA, "d", "__start_mcount_loc"),
    KallsymsEntry(INIT_DATA + 0x1000, "d", "__stop_mcount_loc"),
    KallsymsEntry(INIT_DATA + 0x2000, "D", "__init_end"),
    KallsymsEntry(INIT_DATA + 0x2000, "d", "with_endbr.12345"),
)
SITES = tuple(TEXT + offset for offset in (0x100, 0x140, 0x200, 0x280, 0x2C0, 0x304, 0x344)) + (
    INIT + 0x40,
)


def with_sites(symbols: Sequence[KallsymsEntry], count: int) -> tuple[KallsymsEntry, ...]:
    """The symbols with __stop_mcount_loc behind so many sites."""
    stop = INIT_DATA + 8 * count
    return tuple(
        KallsymsEntry(stop, s.type, s.name) if "__stop_m" in s.name else s for s in symbols
    )


def _tokens() -> tuple[bytes, ...]:
    pairs = iter(a + b for a in "_estr" for b in "abcdefghijklmnopqrstuvwxyz_0123456789")
    return tuple(
        bytes([code]) if 0x21 <= code < 0x7F else next(pairs).encode() for code in range(256)
    )


TOKENS = _tokens()
_CODES = {token: code for code, token in enumerate(TOKENS)}


def compress(name: bytes) -> bytes:
    """The token codes of a name, pairs first, with the length in front."""
    codes = bytearray()
    at = 0
    while at < len(name):
        size = 2 if name[at : at + 2] in _CODES and at + 2 <= len(name) else 1
        codes.append(_CODES[name[at : at + size]])
        at += size
    length = len(codes)
    head = [length] if length < 0x80 else [length & 0x7F | 0x80, length >> 7]
    return bytes(head) + bytes(codes)


@dataclass
class Tables:
    """The bytes of .rodata, and where in it each table is."""

    data: bytearray = field(default_factory=bytearray)
    at: dict[str, int] = field(default_factory=dict)
    step: int = 8  # bytes that each table is aligned to

    def add(self, label: str, content: bytes) -> None:
        self.data += bytes(-len(self.data) % self.step)
        self.at[label] = len(self.data)
        self.data += content

    def patch(self, label: str, offset: int, code: str, value: int) -> None:
        struct.pack_into(code, self.data, self.at[label] + offset, value)


def encode(entries: Sequence[KallsymsEntry], layout: str = "6.1", rule: str = "percpu") -> Tables:
    """A .rodata with kallsyms of these symbols, which must ascend; 7.2 has no rules."""
    count = len(entries)
    names = [compress((e.type + e.name).encode()) for e in entries]
    markers = [sum(map(len, names[:at])) for at in range(0, count, 256)]
    words = [0, *accumulate(len(token) + 1 for token in TOKENS[:-1])]

    base = next(e.address for e in entries if e.name == "_text")

    def addresses(tables: Tables) -> None:
        if rule == "absolute":
            tables.add("addresses", struct.pack(f"<{count}Q", *(e.address for e in entries)))
            return
        if rule == "percpu":
            offsets = [e.address if e.address < base else base - 1 - e.address for e in entries]
        else:
            offsets = [e.address - base for e in entries]
        tables.add("offsets", struct.pack(f"<{count}i", *offsets))
        tables.add("relative_base", struct.pack("<Q", base))

    def from_their_places(tables: Tables) -> None:
        tables.add("offsets", b"")
        start = RODATA + tables.at["offsets"]
        offsets = [e.address - start - 4 * at for at, e in enumerate(entries)]
        tables.data += struct.pack(f"<{count}i", *offsets)

    tables = Tables(step=4 if layout == "7.2" else 8)
    # Something before, with a decoy of the pattern by which the token table is found.
    tables.add("junk", b"\x07" * 40 + b"".join(b"%d\0" % n for n in range(10)) + b"\x01" * 600)
    if layout in ("6.1", "6.2"):
        addresses(tables)
    tables.add("num_syms", struct.pack("<I", count))
    tables.add("names", b"".join(names))
    tables.add("markers", struct.pack(f"<{len(markers)}I", *markers))
    if layout == "6.2":
        tables.add("seqs", _seqs(entries))
    tables.add("token_table", b"".join(token + b"\0" for token in TOKENS))
    tables.add("token_index", struct.pack("<256H", *words))
    if layout in ("6.4", "7.2"):
        (addresses if layout == "6.4" else from_their_places)(tables)
        tables.add("seqs", _seqs(entries))
    tables.add("end", b"\x55" * 100)
    return tables


def _seqs(entries: Sequence[KallsymsEntry]) -> bytes:
    order = sorted(range(len(entries)), key=lambda at: (entries[at].name, at))
    return b"".join(at.to_bytes(3, "big") for at in order)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One section of an ELF file to be."""

    name: str
    content: bytes = b""
    kind: int = 1  # SHT_PROGBITS
    flags: int = 2  # SHF_ALLOC
    address: int = 0
    link: int = 0
    info: int = 0
    align: int = 8


def elf(parts: Iterable[Part], *, relocatable: bool = False) -> bytes:
    """An x86-64 ELF file; section 0 and .shstrtab are added."""
    names = b"\0"
    body = bytearray(64)
    headers = [bytes(64)]
    for part in [*parts, Part(name=".shstrtab", kind=3, flags=0)]:
        label, names = len(names), names + part.name.encode() + b"\0"
        content = names if part.name == ".shstrtab" else part.content
        body += bytes(-len(body) % 8)
        headers.append(
            struct.pack(
                "<IIQQQQIIQQ",
                label,
                part.kind,
                part.flags,
                part.address,
                len(body),
                len(content),
                part.link,
                part.info,
                part.align,
                24 if part.kind in (2, 4) else 0,
            )
        )
        body += content
    body += bytes(-len(body) % 8)
    start, count = len(body), len(headers)
    struct.pack_into(
        "<16sHHIQQQIHHHHHH",
        body,
        0,
        b"\x7fELF\x02\x01\x01",
        1 if relocatable else 2,
        62,
        1,
        0,
        0,
        start,
        0,
        64,
        0,
        0,
        64,
        count,
        count - 1,
    )
    return bytes(body) + b"".join(headers)


EXPORTS = (
    ("native_clock", TEXT + 0x180),
    ("proc_name_alias", TEXT + 0x2C0),
    ("cpu_number", 0x1000),
)


def _ksymtab(exports: Sequence[tuple[str, int]]) -> tuple[bytes, bytes]:
    table, strings = b"", b"\0"
    for name, address in exports:
        at = KSYMTAB + len(table)
        value = (address - at) & 0xFFFFFFFF
        table += struct.pack("<IiI", value, STRINGS + len(strings) - at - 4, 0)
        strings += name.encode() + b"\0"
    return table, strings


def vmlinux(
    tables: Tables | None = None,
    sites: Sequence[int] = SITES,
    exports: Sequence[tuple[str, int]] = (),
    btf: bytes = b"",
    calls: Sequence[tuple[int, int]] = (),
) -> bytes:
    """A stripped vmlinux; without ``btf`` it has none, as with DEBUG_INFO_BTF off. ``calls``: from
    a function of .text to another."""
    text = bytearray(SIZE)
    for start, end in calls:
        struct.pack_into("<BBi", text, start - TEXT, 0x90, 0xE8, end - start - 6)
    ksymtab, strings = _ksymtab(exports)
    tables = tables or encode(with_sites(SYMBOLS, len(SITES)))
    return elf(
        [
            Part(name=".text", content=bytes(text), flags=6, address=TEXT),
            Part(name=".rodata", content=bytes(tables.data), address=RODATA),
            Part(name="__ksymtab", content=ksymtab, address=KSYMTAB),
            Part(name="__ksymtab_strings", content=strings, address=STRINGS),
            Part(name=".init.text", content=bytes(SIZE), flags=6, address=INIT),
            Part(
                name=".init.data",
                content=struct.pack(f"<{len(sites)}Q", *sites).ljust(0x3000, b"\0"),
                flags=3,
                address=INIT_DATA,
            ),
            *([Part(name=".BTF", content=btf, address=BTF)] if btf else []),
        ]
    )


def pack(data: bytes, method: str = "xz") -> bytes:
    """What scripts/Makefile.lib makes: packed, and the size behind it."""
    size = struct.pack("<I", len(data))
    match method:
        case "xz":
            return lzma.compress(data, check=lzma.CHECK_CRC32, preset=0) + size
        case "lzma":
            return lzma.compress(data, format=lzma.FORMAT_ALONE, preset=0) + size
        case "bzip2":
            return bz2.compress(data) + size
        case "gzip":
            return gzip.compress(data)  # ends with the size by itself
    raise ValueError(method)


def bzimage(
    payload: bytes,
    *,
    banner: str = f"{RELEASE} (debian-kernel@lists.debian.org) {VERSION}",
    protocol: int = 0x20F,
) -> bytes:
    """A vmlinuz around a packed kernel."""
    sectors = 3
    image = bytearray((sectors + 1) * 512)
    image[0x1F1] = sectors
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<HxxxxxxH", image, 0x206, protocol, 0x300)
    struct.pack_into("<II", image, 0x248, 0x10, len(payload))
    text = banner.encode() + b"\0"
    image[0x500 : 0x500 + len(text)] = text
    return bytes(image) + bytes(0x10) + payload + b"\xcc" * 64


def write_image(path: Path, kernel: bytes | None = None) -> Path:
    """A vmlinuz on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bzimage(pack(kernel or vmlinux())))
    return path


#: (name, section, offset, size, binding, kind): one .symtab entry of a module.
ModuleSymbol = tuple[str, str, int, int, int, int]

MODULE_SYMBOLS: tuple[ModuleSymbol, ...] = (
    ("victim.c", "ABS", 0, 0, 0, 4),
    ("", ".text", 0, 0, 0, 3),
    ("", ".init.text", 0, 0, 0, 3),
    ("before", ".text", 0x00, 0x10, 0, 2),
    ("dup_helper", ".text", 0x10, 0x20, 0, 2),
    ("between", ".text", 0x30, 0x10, 0, 2),
    ("dup_helper", ".text", 0x40, 0x20, 0, 2),
    ("with_endbr", ".text", 0x60, 0x20, 0, 2),
    ("counter", ".bss", 0, 4, 0, 1),
    ("work.isra.0", ".text", 0x80, 0x20, 0, 2),
    ("comment", ".comment", 0, 4, 0, 1),
    ("init_module", ".init.text", 0, 0x10, 1, 2),
    ("exported", ".text", 0xA0, 0x10, 1, 2),
    ("printk", "UNDEF", 0, 0, 1, 0),
)
#: (index of the symbol from 1, addend)
MODULE_SITES = ((2, 0x10), (2, 0x64), (2, 0x80), (3, 0), (13, 0))


def module(
    symbols: Sequence[ModuleSymbol] = MODULE_SYMBOLS,
    sites: Sequence[tuple[int, int]] = MODULE_SITES,
    *,
    kind: int = 1,
    room: int | None = None,
    btf: bytes = b"",
    modinfo: bytes = b"",
    text: bytes = bytes(0x100),
    calls: Sequence[tuple[int, int, int, int]] = (),
) -> bytes:
    """A .ko; ``kind`` is the type of the relocations in __mcount_loc, ``room`` that one's size;
    ``calls``: relocations of .text, each (offset, symbol from 1, type, addend)."""
    order = (".text", ".init.text", ".bss", ".comment", "__mcount_loc")
    place = {name: at for at, name in enumerate(order, 1)} | {"ABS": 0xFFF1, "UNDEF": 0}
    strings = b"\0"
    table = bytes(24)
    for name, section, offset, size, binding, what in symbols:
        label = len(strings) if name else 0
        strings += name.encode() + b"\0" if name else b""
        table += struct.pack("<IBBHQQ", label, binding << 4 | what, 0, place[section], offset, size)
    relocations = b"".join(
        struct.pack("<QQq", 8 * at, number << 32 | kind, addend)
        for at, (number, addend) in enumerate(sites)
    )
    return elf(
        [
            Part(name=".text", content=text, flags=6),
            Part(name=".init.text", content=bytes(0x40), flags=6),
            Part(name=".bss", kind=8, flags=3),
            Part(name=".comment", content=b"gcc\0", flags=0),
            Part(name="__mcount_loc", content=bytes(room if room is not None else 8 * len(sites))),
            Part(name=".rela__mcount_loc", content=relocations, kind=4, flags=0, link=7, info=5),
            Part(name=".symtab", content=table, kind=2, flags=0, link=8),
            Part(name=".strtab", content=strings, kind=3, flags=0),
            *([Part(name=".BTF", content=btf, flags=0)] if btf else []),
            *([Part(name=".modinfo", content=modinfo)] if modinfo else []),
            Part(
                name=".rela.text",
                content=b"".join(struct.pack("<QQq", at, n << 32 | k, a) for at, n, k, a in calls),
                kind=4,
                flags=0,
                link=7,
                info=1,
            ),
        ],
        relocatable=True,
    )
