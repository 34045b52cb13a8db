# SPDX-License-Identifier: MIT
"""inspect of what is no module: the file is named, and what could be given instead."""

from pathlib import Path

import pytest

from lppack.errors import LppackError
from lppack.stages.inspect import inspect
from tests.kit import tiny_elf


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"# a text\n", "is neither a bundle (.lpp) nor a kernel module"),
        (b"", "is neither a bundle (.lpp) nor a kernel module"),
        (b"\x7fELF", "cannot be read as ELF"),
        (b"\xfd7zXZ\0", "is neither a bundle (.lpp) nor a kernel module"),
    ],
)
def test_what_is_no_module(data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "x.ko"
    file.write_bytes(data)
    with pytest.raises(LppackError) as caught:
        inspect(file)
    assert caught.value.message.startswith(f"{file} {says}")
    assert caught.value.hint is not None
    assert ".ko" in caught.value.hint


def test_a_module_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.ko"
    file.write_bytes(tiny_elf.module())
    assert dict(inspect(file).facts)["sections"]
