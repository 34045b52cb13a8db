# SPDX-License-Identifier: MIT
"""How a patch module describes itself, read from its bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.elf.identity import identity
from lppack.elf.module import NotAModule
from tests.kit import tiny_elf

MADE = tiny_elf.patch(
    '{"series": "conn-limit"}', {"vmlinux": ["f", "g"], "ext4": ["h"]}, modinfo=tiny_elf.MODINFO
)


def test_what_a_module_says_of_itself() -> None:
    found = identity(MADE)
    assert found.name == "lppack_conn_limit_2"
    assert found.info == {"series": "conn-limit"}
    assert found.functions == {("vmlinux", "f"), ("vmlinux", "g"), ("ext4", "h")}


@pytest.mark.parametrize("info", ["[]", "1", '"x"', "null"])
def test_information_that_is_no_object_is_none(info: str) -> None:
    found = identity(tiny_elf.patch(info, {"vmlinux": ["f"]}, modinfo=tiny_elf.MODINFO))
    assert found.info == {}


@pytest.mark.parametrize("info", ["", "{", "[" * 100_000, "nan!", '{"a": }'])
def test_information_that_cannot_be_read_is_a_refusal(info: str) -> None:
    with pytest.raises(NotAModule, match="cannot be read"):
        identity(tiny_elf.patch(info, {"vmlinux": ["f"]}, modinfo=tiny_elf.MODINFO))


def test_what_is_no_module_is_refused() -> None:
    for data in (b"", b"#!/bin/sh", MADE[:64], tiny_elf.module(machine=tiny_elf.AARCH64)):
        with pytest.raises(NotAModule):
            identity(data)
    with pytest.raises(NotAModule, match="has no section"):
        identity(tiny_elf.module())


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_no_damage_is_more_than_a_refusal(data: st.DataObject) -> None:
    content = bytearray(MADE[: data.draw(st.integers(len(MADE) // 2, len(MADE)))])
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = identity(bytes(content))
    except NotAModule:
        return
    assert isinstance(found.info, dict)
