# SPDX-License-Identifier: MIT
"""Unpack zstd: with Python's own module from 3.14 on, before that with the system's libzstd.

Every Debian has that library: dpkg itself is linked with it.
"""

import ctypes
import importlib
from functools import cache

from lppack.errors import EnvironmentMissing

_LIBRARY = "libzstd.so.1"
_CHUNK = 4 << 20


class ZstdError(OSError):
    """The data is not zstd, or damaged. An OSError, as bz2 raises one in this case."""


def unpack(data: bytes) -> tuple[bytes, bool]:
    """Return the first frame in ``data`` unpacked, and whether it was whole; ignore what follows.

    Raise ZstdError for damaged data, EnvironmentMissing if there is no library.
    """
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        return unpack_with_library(data)
    unpacker = module.ZstdDecompressor()
    try:
        return unpacker.decompress(data), bool(unpacker.eof)
    except module.ZstdError as error:
        raise ZstdError(str(error)) from error


class _Buffer(ctypes.Structure):
    # zstd.h: ZSTD_inBuffer and ZSTD_outBuffer
    _fields_ = (
        ("start", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("at", ctypes.c_size_t),
    )


def unpack_with_library(data: bytes) -> tuple[bytes, bool]:
    """Return the same by libzstd."""
    library = _library()
    stream = library.ZSTD_createDStream()
    try:
        room = ctypes.create_string_buffer(_CHUNK)
        source = _Buffer(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data), 0)
        parts = []
        while True:
            out = _Buffer(ctypes.cast(room, ctypes.c_void_p), _CHUNK, 0)
            left = library.ZSTD_decompressStream(stream, ctypes.byref(out), ctypes.byref(source))
            if library.ZSTD_isError(left):
                raise ZstdError(library.ZSTD_getErrorName(left).decode())
            parts.append(ctypes.string_at(room, out.at))
            # 0: the frame has ended. Room left in the buffer: the input has no more output.
            if left == 0 or (source.at == source.size and out.at < _CHUNK):
                return b"".join(parts), left == 0
    finally:
        library.ZSTD_freeDStream(stream)


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise EnvironmentMissing(
            f"the kernel is compressed with zstd, and {_LIBRARY} was not found",
            hint="apt-get install libzstd1, or use Python 3.14",
        ) from error
    library.ZSTD_createDStream.restype = ctypes.c_void_p
    library.ZSTD_freeDStream.argtypes = (ctypes.c_void_p,)
    buffers = (ctypes.POINTER(_Buffer),) * 2
    library.ZSTD_decompressStream.argtypes = (ctypes.c_void_p, *buffers)
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    library.ZSTD_isError.argtypes = (ctypes.c_size_t,)
    library.ZSTD_getErrorName.argtypes = (ctypes.c_size_t,)
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    return library
