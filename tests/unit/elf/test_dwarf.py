# SPDX-License-Identifier: MIT
"""What the compiler says is read from real modules in tests/docker; here, what cannot be read."""

import pytest

from lppack.elf.dwarf import compiled_types
from lppack.errors import BuildFailed
from tests.kit import tiny_elf


def test_a_module_without_debug_information() -> None:
    with pytest.raises(BuildFailed, match="without debug information"):
        compiled_types(tiny_elf.module())


def test_no_elf_at_all() -> None:
    with pytest.raises(BuildFailed, match="cannot be read"):
        compiled_types(b"not ELF")


@pytest.mark.parametrize(
    ("relocation", "said"),
    [
        ((0, "_printk", 2, 0), "relocation type 2 in .debug_info"),
        ((0, 77, 10, 0), "index out of range"),
        ((16, "_printk", 10, 0), "pack_into requires"),
    ],
    ids=["another type", "no such symbol", "past the end"],
)
def test_a_relocation_that_cannot_be_applied(relocation: tiny_elf.Reloc, said: str) -> None:
    parts = {".debug_info": bytes(16), ".debug_abbrev": b"\0"}
    module = tiny_elf.module(parts=parts, relocations={".debug_info": [relocation]})
    with pytest.raises(BuildFailed, match=said):
        compiled_types(module)
