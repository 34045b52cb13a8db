# SPDX-License-Identifier: MIT
"""lz4 is unpacked with the system's library."""

import ctypes
import random
import struct

import pytest

from lppack.kernel.errors import FactsError
from lppack.kernel.image import decompress
from lppack.kernel.lz4 import Lz4Error, unpack

BLOCK = 8 << 20
DATA = bytes(range(256)) * 40_000 + random.Random(1).randbytes(70_000)


def packed(data: bytes) -> bytes:
    """As `lz4 -l` writes it, and with the unpacked size behind it, as a kernel's build does."""
    library = ctypes.CDLL("liblz4.so.1")
    out = struct.pack("<I", 0x184C2102)
    for at in range(0, len(data), BLOCK):
        block = data[at : at + BLOCK]
        room = ctypes.create_string_buffer(len(block) + len(block) // 255 + 64)
        size = library.LZ4_compress_default(block, room, len(block), len(room))
        out += struct.pack("<I", size) + room.raw[:size]
    return out + struct.pack("<I", len(data))


def test_several_blocks_and_the_size_behind_them() -> None:
    assert len(DATA) > BLOCK
    whole = packed(DATA)
    assert unpack(whole) == (DATA, True)
    assert unpack(whole[:-4]) == (DATA, True)
    assert decompress(whole, what="vmlinuz") == DATA


@pytest.mark.parametrize("cut", [5, 30_000, 80_000])
def test_what_is_cut_short_has_no_end(cut: int) -> None:
    whole = packed(DATA)
    data, ended = unpack(whole[:-cut])
    assert not ended
    assert DATA.startswith(data)
    with pytest.raises(FactsError, match="its lz4 data is cut short"):
        decompress(whole[:-cut], what="vmlinuz")
    assert not unpack(whole[:4])[1]


def test_damage() -> None:
    with pytest.raises(Lz4Error, match="legacy"):
        unpack(b"\x04\x22\x4d\x18" + bytes(20))
    with pytest.raises(FactsError, match="its lz4 data is damaged: block 0 cannot be unpacked"):
        decompress(struct.pack("<II", 0x184C2102, 8) + b"\xf0" * 8 + bytes(4), what="vmlinuz")
