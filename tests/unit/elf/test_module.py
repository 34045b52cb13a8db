# SPDX-License-Identifier: MIT
import contextlib

import pytest

from lppack import abi
from lppack.elf.module import NotAModule, checksums_of, read_module
from tests.kit import tiny_elf


def test_what_a_module_says_of_itself() -> None:
    module = read_module(tiny_elf.module(["a=1", "a=2", "b=x=y", "empty="], weak=["maybe"]))
    assert module.modinfo == {"a": ("1", "2"), "b": ("x=y",), "empty": ("",)}
    assert (module.info("a"), module.info("empty"), module.info("absent")) == ("1", "", None)
    assert module.undefined == ("_printk", "klp_enable_patch")
    assert module.weak == ("maybe",)
    assert not module.has_debug
    assert read_module(tiny_elf.module(sections=[".debug_info"])).has_debug


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x7fELF",
        b"#!/bin/sh\n" * 100,
        tiny_elf.module()[:200],
        tiny_elf.module(machine=tiny_elf.AARCH64),
        tiny_elf.module(type_=tiny_elf.EXECUTABLE),
        tiny_elf.module().replace(b".modinfo", b".nodinfo"),
        tiny_elf.module().replace(b".symtab", b".symtub"),
    ],
)
def test_what_is_no_module_is_refused(data: bytes) -> None:
    with pytest.raises(NotAModule) as caught:
        read_module(data)
    assert caught.value.exit_code == 9


def test_what_a_module_says_moves_no_terminals_cursor() -> None:
    module = read_module(tiny_elf.module(["depends=x\x1b[2J", "\x9ba=b"]))
    assert module.modinfo == {"depends": ("x\ufffd[2J",), "\ufffda": ("b",)}
    assert read_module(tiny_elf.module(weak=["maybe"])).weak == ("maybe",)
    for name in ("may\x1bbe", "may\x7fbe"):
        with pytest.raises(NotAModule, match="has a name with a control character"):
            read_module(tiny_elf.module(weak=[name]))


def test_a_damaged_module_is_read_or_refused() -> None:
    good = tiny_elf.module(weak=["maybe"])
    for index in range(0, len(good), 2):
        data = bytearray(good)
        data[index] ^= 0xFF
        with contextlib.suppress(NotAModule):
            read_module(bytes(data))


def test_a_module_that_was_cut_off_is_read_or_refused() -> None:
    good = tiny_elf.module()
    for length in range(0, len(good), 5):
        with contextlib.suppress(NotAModule):
            read_module(good[:length])


def test_checksums_of_the_kernel() -> None:
    text = (
        "0x12345678\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x1\tklp_x\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"
    )
    assert checksums_of(text) == {"_printk": 0x12345678, "klp_x": 1}
    assert checksums_of("") == {}
    assert checksums_of("what\tis\tthis\n") == {}


def test_checksums_that_the_module_was_built_with() -> None:
    module = read_module(tiny_elf.module(parts={"__versions": tiny_elf.versions(_printk=7, b=8)}))
    assert module.checksums == {"_printk": 7, "b": 8}


def test_the_compiler_is_in_its_comment() -> None:
    text = b"\0GCC: (Debian 12.2.0-14) 12.2.0\0GCC: (Debian 12.2.0-14) 12.2.0\0"
    module = read_module(tiny_elf.module(parts={".comment": text}))
    assert module.compilers == ("GCC: (Debian 12.2.0-14) 12.2.0",)


def test_where_a_signature_is() -> None:
    plain = tiny_elf.module()
    assert read_module(plain).signature == "none"
    assert read_module(plain + abi.MODULE_SIGNATURE).signature == "at the end"
    assert read_module(plain + abi.MODULE_SIGNATURE + b"more").signature == "inside"
