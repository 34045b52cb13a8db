# SPDX-License-Identifier: MIT
"""What the compiler says is read from real modules in tests/docker; here, what cannot be read."""

import pytest

from lppack.elf.dwarf import compiled_types
from lppack.errors import BuildFailed
from tests.unit import tiny_elf


def test_a_module_without_debug_information() -> None:
    with pytest.raises(BuildFailed, match="without debug information"):
        compiled_types(tiny_elf.module())


def test_no_elf_at_all() -> None:
    with pytest.raises(BuildFailed, match="cannot be read"):
        compiled_types(b"not ELF")
