# SPDX-License-Identifier: MIT
"""elfutils' libdw: loaded with the types of its functions, or its package is named."""

import ctypes

import pytest

from lppack.errors import EnvironmentMissing
from lppack.kernel.libdw import library


def test_a_machine_without_the_library() -> None:
    with pytest.raises(EnvironmentMissing, match="which was not found") as caught:
        library("libdw-of-another-planet.so.1")
    assert "libdw1" in str(caught.value.hint)


def test_a_library_that_lacks_a_function_is_none_to_read_with() -> None:
    with pytest.raises(EnvironmentMissing, match=r"which is too old: .*dwarf_begin") as caught:
        library("libc.so.6")
    assert "libdw1" in str(caught.value.hint)


def test_each_function_has_its_types() -> None:
    """Without them ctypes cuts a pointer to 32 bits."""
    found = library()
    assert found.dwarf_begin.restype is ctypes.c_void_p
    assert found.dwarf_dieoffset.restype is ctypes.c_uint64
    assert library() is found, "it is loaded once"
    assert found.dwarf_errmsg(1), "and answers"
