# SPDX-License-Identifier: MIT
"""What is exported, from the image and from Module.symvers."""

import struct
from pathlib import Path

import pytest

from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.exports import Export, find_export, read_exports
from tests.kit import fake_image as fake

STRINGS = b"\0open_it\0CRYPTO\0"
KNOWN = {("open_it", fake.TEXT)}


def export(
    name: str, *, gpl: bool = False, module: str | None = None, space: str | None = None
) -> Export:
    return Export(name=name, gpl=gpl, module=module, namespace=space)


def read(section: str, value: int, label: int, space: int, cut: int = 0) -> tuple[Export, ...]:
    at = fake.KSYMTAB
    row = struct.pack(
        "<iii",
        value - at,
        fake.STRINGS + label - at - 4,
        fake.STRINGS + space - at - 8 if space else 0,
    )
    parts = [
        fake.Part(name=section, content=row[: len(row) - cut], address=at),
        fake.Part(name="__ksymtab_strings", content=STRINGS, address=fake.STRINGS),
    ]
    return read_exports(Elf(fake.elf(parts), "vmlinux"), KNOWN)


def test_kind_and_namespace() -> None:
    assert read("__ksymtab", fake.TEXT, 1, 0) == (export("open_it"),)
    assert read("__ksymtab_gpl", fake.TEXT, 1, 9) == (export("open_it", gpl=True, space="CRYPTO"),)
    assert read("other", fake.TEXT, 1, 0) == ()


def flagged(flags: bytes) -> tuple[Export, ...]:
    at = fake.KSYMTAB
    row = struct.pack("<iii", fake.TEXT - at, fake.STRINGS + 1 - at - 4, 0)
    parts = [
        fake.Part(name="__ksymtab", content=row, address=at),
        fake.Part(name="__kflagstab", content=flags, address=at + 0x1000),
        fake.Part(name="__ksymtab_strings", content=STRINGS, address=fake.STRINGS),
    ]
    return read_exports(Elf(fake.elf(parts), "vmlinux"), KNOWN)


def test_flags_of_7_2() -> None:
    assert flagged(b"\1") == (export("open_it", gpl=True),)
    assert flagged(b"\0") == flagged(b"\2") == (export("open_it"),)
    with pytest.raises(FactsError, match="__kflagstab has 2 entries, __ksymtab 1"):
        flagged(b"\1\1")


@pytest.mark.parametrize(
    ("value", "label", "space", "cut"),
    [
        (fake.TEXT + 1, 1, 0, 0),
        (fake.TEXT, 2, 0, 0),
        (fake.TEXT, -1, 0, 0),
        (fake.TEXT, 999, 0, 0),
        (fake.TEXT, 1, 999, 0),
        (fake.TEXT, 1, 0, 4),
    ],
)
def test_what_kallsyms_does_not_have_is_refused(
    value: int, label: int, space: int, cut: int
) -> None:
    with pytest.raises(FactsError):
        read("__ksymtab", value, label, space, cut)


SYMVERS = """\
0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t
0x1f491d36\ttwofish_dec_blk\tarch/x86/crypto/twofish-x86_64\tEXPORT_SYMBOL_GPL\t
0x669aff23\tcrypto_cipher_setkey\tvmlinux\tEXPORT_SYMBOL_GPL\tCRYPTO_INTERNAL
0x00000001\tbroken\tvmlinux\t
"""


def test_module_symvers(tmp_path: Path) -> None:
    file = tmp_path / "Module.symvers"
    assert find_export(file, "phys_base") is None
    file.write_text(SYMVERS)
    assert find_export(file, "phys_base") == export("phys_base")
    assert find_export(file, "twofish_dec_blk") == export(
        "twofish_dec_blk", gpl=True, module="twofish_x86_64"
    )
    assert find_export(file, "crypto_cipher_setkey") == export(
        "crypto_cipher_setkey", gpl=True, space="CRYPTO_INTERNAL"
    )
    assert find_export(file, "phys.base") is None
    assert find_export(file, "vmlinux") is None
    with pytest.raises(FactsError, match="line of broken"):
        find_export(file, "broken")
