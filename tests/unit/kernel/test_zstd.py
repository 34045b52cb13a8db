# SPDX-License-Identifier: MIT
"""zstd is unpacked with the system's library."""

import random

import pytest

from lppack.kernel.errors import FactsError
from lppack.kernel.image import decompress
from lppack.kernel.zstd import ZstdError, unpack, unpack_with_library

# RFC 8878, 3.1.1: magic, a header (single segment, size in one byte), one raw block that is last.
FRAME = b"\x28\xb5\x2f\xfd\x20\x05" + b"\x29\x00\x00" + b"hello"


def raw(data: bytes) -> bytes:
    """The longest frames that are easily written: raw blocks of 128 KiB at most."""
    blocks = [data[at : at + 0x10000] for at in range(0, len(data), 0x10000)]
    out = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    for at, block in enumerate(blocks):
        head = len(block) << 3 | (at == len(blocks) - 1)
        out += head.to_bytes(3, "little") + block
    return out


def test_a_frame_and_what_follows_it() -> None:
    assert unpack(FRAME) == (b"hello", True)
    assert unpack(FRAME + b"\x05\0\0\0") == (b"hello", True)
    assert unpack_with_library(FRAME) == unpack(FRAME)


def test_more_than_a_chunk() -> None:
    data = random.Random(1).randbytes(9 << 20)
    assert unpack_with_library(raw(data)) == (data, True)


@pytest.mark.parametrize("size", range(len(FRAME)))
def test_a_frame_that_is_cut_short_has_no_end(size: int) -> None:
    try:
        data, ended = unpack_with_library(FRAME[:size])
    except ZstdError:
        return
    assert not ended
    assert b"hello".startswith(data)


def test_damage() -> None:
    with pytest.raises(ZstdError):
        unpack(b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
    with pytest.raises(FactsError, match="its zstd data is cut short"):
        decompress(FRAME[:-1], what="vmlinuz")
