# SPDX-License-Identifier: MIT
"""Unpack lz4, in the legacy format that kernels are packed in (`lz4 -l`), with the system's liblz4.

Every Debian has that library: apt and systemd are linked with it.
"""

import ctypes
import struct
from functools import cache

from lppack.errors import EnvironmentMissing

_LIBRARY = "liblz4.so.1"
# lz4's doc/lz4_Frame_format.md, legacy frame: the magic, then blocks. Each block follows its packed
# size. There is no end mark.
_MAGIC = struct.pack("<I", 0x184C2102)
_BLOCK = 8 << 20  # unpacked
_SIZE = struct.Struct("<I")


class Lz4Error(OSError):
    """The data is not lz4, or damaged. An OSError, as bz2 raises one in this case."""


def unpack(data: bytes) -> tuple[bytes, bool]:
    """Return all blocks unpacked, and whether the last one was whole. Raise Lz4Error.

    ``data`` may end with the unpacked size, as in a kernel image.
    """
    if not data.startswith(_MAGIC):
        raise Lz4Error("it is not in the legacy format")
    library, room = _library(), ctypes.create_string_buffer(_BLOCK)
    parts: list[bytes] = []
    at = len(_MAGIC)
    while at + _SIZE.size < len(data):
        (size,) = _SIZE.unpack_from(data, at)
        block = data[at + _SIZE.size : at + _SIZE.size + size]
        if len(block) < size:
            return b"".join(parts), False
        count = library.LZ4_decompress_safe(block, room, size, _BLOCK)
        if count < 0:
            raise Lz4Error(f"block {len(parts)} cannot be unpacked")
        parts.append(room.raw[:count])
        at += _SIZE.size + size
    return b"".join(parts), bool(parts) and len(data) - at in (0, _SIZE.size)


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise EnvironmentMissing(
            f"the kernel is compressed with lz4, and {_LIBRARY} was not found",
            hint="apt-get install liblz4-1",
        ) from error
    # lz4.h: source, destination, bytes of the source, room.
    library.LZ4_decompress_safe.argtypes = (
        *(ctypes.c_char_p, ctypes.c_char_p),
        *(ctypes.c_int, ctypes.c_int),
    )
    library.LZ4_decompress_safe.restype = ctypes.c_int
    return library
