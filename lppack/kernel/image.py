# SPDX-License-Identifier: MIT
"""Release and version of a vmlinuz (x86 bzImage), and the vmlinux inside it."""

import bz2
import hashlib
import lzma
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from lppack import entries, store
from lppack.errors import EnvironmentMissing
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.model import Kernel

# The setup header: arch/x86/boot/header.S and Documentation/x86/boot.rst (v6.1).
_SETUP_SECTS = 0x1F1
_BOOT_FLAG = 0x1FE
_BOOT_FLAG_VALUE = 0xAA55
_HEADER = 0x202
_HEADER_VALUE = b"HdrS"
_PROTOCOL = 0x206
_PROTOCOL_WITH_PAYLOAD = 0x0208
_KERNEL_VERSION = 0x20E  # points 0x200 bytes short of the string
_PAYLOAD = 0x248  # payload_offset and payload_length
_HEADER_END = 0x250
_SECTOR = 512

# arch/x86/boot/version.c (v6.1): UTS_RELEASE " (" BY "@" HOST ") " UTS_VERSION. UTS_VERSION begins
# with "#" (scripts/mkcompile_h, init/Makefile).
_BANNER = re.compile(r"(\S+) \(.*?\) (#.*)", re.DOTALL)

# lib/decompress.c (v6.1): compressed_formats[]
_MAGICS = (
    (b"\x1f\x8b", "gzip"),
    (b"\x1f\x9e", "gzip"),
    (b"BZh", "bzip2"),
    (b"\x5d\x00", "lzma"),
    (b"\xfd7", "xz"),
    (b"\x89\x4c", "lzo"),
    (b"\x02\x21", "lz4"),
    (b"\x28\xb5", "zstd"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A vmlinuz whose header has been read; the kernel in it is still compressed."""

    path: Path
    release: str  # uname -r
    version: str  # uname -v
    payload: bytes

    def vmlinux(self) -> Elf:
        """Return the decompressed kernel; takes seconds. Raise FactsError if it is damaged."""
        # arch/x86/boot/compressed/mkpiggy.c (v6.1): the last four bytes are the unpacked size.
        (size,) = struct.unpack("<I", self.payload[-4:])
        data = decompress(self.payload, what=str(self.path))
        if len(data) != size:
            raise FactsError(f"{self.path}: unpacked to {len(data)} bytes, expected {size}")
        return Elf(data, f"vmlinux in {self.path}")


def unpacked(kernel: Kernel) -> Path:
    """Unpack the vmlinux of ``kernel`` into the cache, once per content; return its path."""
    image = read_image(kernel.image)
    name = f"{kernel.release}-{hashlib.sha256(image.payload).hexdigest()[:16]}"
    return entries.ensure_file(
        store.cache_dir() / "vmlinux" / name, lambda draft: _write(draft, image)
    )


def _write(draft: Path, image: Image) -> None:
    draft.write_bytes(image.vmlinux().data)


def read_image(path: Path) -> Image:
    """Read the header of the vmlinuz at ``path``. Raise EnvironmentMissing or FactsError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvironmentMissing(
            f"cannot read the kernel image {path}: {error.strerror}", hint="run: lppack doctor"
        ) from error
    return parse_image(data, path)


def parse_image(data: bytes, path: Path) -> Image:
    """Read the same from the bytes of the file; ``path`` is for messages. Raise FactsError."""
    if (
        len(data) < _HEADER_END
        or struct.unpack_from("<H", data, _BOOT_FLAG)[0] != _BOOT_FLAG_VALUE
        or data[_HEADER : _HEADER + 4] != _HEADER_VALUE
    ):
        raise FactsError(f"{path} is not an x86 kernel image (bzImage)")
    (protocol,) = struct.unpack_from("<H", data, _PROTOCOL)
    if protocol < _PROTOCOL_WITH_PAYLOAD:
        raise FactsError(f"{path} uses boot protocol {protocol:#x}, too old to find the kernel in")
    (text,) = struct.unpack_from("<H", data, _KERNEL_VERSION)
    banner = data[text + 0x200 :].partition(b"\0")[0].decode("utf-8", errors="replace")
    found = _BANNER.fullmatch(banner) if text else None
    if found is None:
        raise FactsError(f"{path} does not say which kernel it is: {banner[:80]!r}")
    start, length = struct.unpack_from("<II", data, _PAYLOAD)
    start += ((data[_SETUP_SECTS] or 4) + 1) * _SECTOR
    if length < 8 or start + length > len(data):
        raise FactsError(f"{path} is cut short: its kernel ends at byte {start + length}")
    return Image(
        path=path,
        release=found[1],
        version=found[2].strip(),
        payload=data[start : start + length],
    )


def decompress(data: bytes, *, what: str) -> bytes:
    """Decompress a kernel or a module; ignore bytes behind the compressed stream.

    Raise FactsError for damaged data, EnvironmentMissing for a method that lppack cannot unpack.
    """
    method = next((name for magic, name in _MAGICS if data.startswith(magic)), None)
    try:
        match method:
            case "xz" | "lzma":
                # Not lzma.decompress(): that wants another stream in the bytes that follow.
                unpacker = lzma.LZMADecompressor()
                unpacked = unpacker.decompress(data)
                ended = unpacker.eof
            case "gzip":
                zipped = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
                unpacked = zipped.decompress(data)
                ended = zipped.eof
            case "bzip2":
                bzipped = bz2.BZ2Decompressor()
                unpacked = bzipped.decompress(data)
                ended = bzipped.eof
            case "zstd":
                from lppack.kernel import zstd

                unpacked, ended = zstd.unpack(data)
            case "lz4":
                from lppack.kernel import lz4

                unpacked, ended = lz4.unpack(data)
            case None:
                raise FactsError(f"{what}: compression not recognised (begins {data[:4].hex()})")
            case _:
                raise EnvironmentMissing(
                    f"{what} is compressed with {method}, which lppack cannot unpack",
                    hint="use a kernel that is compressed with xz, gzip, bzip2, lzma, lz4 or zstd",
                )
    except (lzma.LZMAError, zlib.error, OSError, EOFError) as error:
        raise FactsError(f"{what}: its {method} data is damaged: {error}") from error
    if not ended:
        raise FactsError(f"{what}: its {method} data is cut short")
    return unpacked
