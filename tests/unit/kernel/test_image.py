# SPDX-License-Identifier: MIT
"""A vmlinuz is read, or refused with the reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.image import decompress, parse_image, read_image
from tests.kit import fake_image as fake

HERE = Path("/boot/vmlinuz")


def test_release_and_version() -> None:
    image = parse_image(fake.bzimage(fake.pack(b"kernel")), HERE)
    assert (image.release, image.version) == (fake.RELEASE, fake.VERSION)


@pytest.mark.parametrize("method", ("xz", "gzip", "bzip2", "lzma"))
def test_the_kernel_inside(method: str) -> None:
    image = parse_image(fake.bzimage(fake.pack(fake.vmlinux(), method)), HERE)
    elf = image.vmlinux()
    assert elf.data == fake.vmlinux()
    assert elf.section(".rodata").address == fake.RODATA
    assert elf.at(fake.INIT_DATA, 8) == fake.SITES[0].to_bytes(8, "little")


@pytest.mark.parametrize(
    ("address", "size"), [(fake.TEXT - 1, 1), (fake.TEXT + fake.SIZE - 1, 2), (0, 8)]
)
def test_no_bytes_where_nothing_is_loaded(address: int, size: int) -> None:
    with pytest.raises(FactsError, match="holds no"):
        Elf(fake.vmlinux(), "vmlinux").at(address, size)


def test_a_section_that_is_not_there() -> None:
    with pytest.raises(FactsError, match=r"no section \.nothing"):
        Elf(fake.vmlinux(), "vmlinux").section(".nothing")


GOOD = fake.bzimage(fake.pack(b"kernel" * 100))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an x86 kernel image"),
        (b"\x7fELF" + bytes(1000), "not an x86 kernel image"),
        (GOOD[:0x202] + b"SrdH" + GOOD[0x206:], "not an x86 kernel image"),
        (fake.bzimage(b"x" * 8, protocol=0x207), "too old"),
        (fake.bzimage(b"x" * 8, banner="rubbish"), "which kernel"),
        (GOOD[:-100], "cut short"),
    ],
)
def test_what_is_no_kernel_image_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(FactsError, match=says):
        parse_image(data, HERE)


def without_its_end(packed: bytes) -> bytes:
    return packed[: len(packed) // 2]


def with_a_flipped_byte(packed: bytes) -> bytes:
    at = len(packed) // 2
    return packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :]


def with_a_wrong_size(packed: bytes) -> bytes:
    return packed[:-4] + b"\x01\0\0\0"


@pytest.mark.parametrize("damage", (without_its_end, with_a_flipped_byte, with_a_wrong_size))
@pytest.mark.parametrize("method", ("xz", "gzip", "bzip2"))
def test_damaged_kernels_are_refused(method: str, damage: Callable[[bytes], bytes]) -> None:
    image = parse_image(fake.bzimage(damage(fake.pack(fake.vmlinux(), method))), HERE)
    with pytest.raises(FactsError, match="damaged|cut short|expected"):
        image.vmlinux()


def test_unknown_compression_is_refused() -> None:
    with pytest.raises(EnvironmentMissing, match="lzo"):
        decompress(b"\x89\x4c123456", what="vmlinuz")
    # Python unpacks zstd from 3.14 on; these bytes are no good zstd there either.
    with pytest.raises((EnvironmentMissing, FactsError), match="zstd"):
        decompress(b"\x28\xb5\x2f\xfd\xff\xff\xff\xff", what="vmlinuz")
    with pytest.raises(FactsError, match="not recognised"):
        decompress(b"\x01\x02\x03\x04", what="vmlinuz")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="No such file"):
        read_image(tmp_path / "vmlinuz")
    assert read_image(fake.write_image(tmp_path / "vmlinuz")).release == fake.RELEASE


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"MZ", "not a 64-bit"),
        (fake.vmlinux()[:-1], "cut short"),
        (fake.vmlinux()[:18] + b"\xb7\0" + fake.vmlinux()[20:], "not for x86-64"),
    ],
)
def test_what_is_no_elf_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(FactsError, match=says):
        Elf(data, "vmlinux")
