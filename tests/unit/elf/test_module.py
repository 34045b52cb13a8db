# SPDX-License-Identifier: MIT
import contextlib

import pytest

from lppack.elf.module import ModuleFile, NotAModule, exports_of, faults, read_module
from tests.unit import tiny_elf

EXPORTS = frozenset({"_printk", "klp_enable_patch"})


def found(module: ModuleFile) -> list[str]:
    return faults(module, release="6.1.0-56-amd64", exports=EXPORTS)


def test_what_a_module_says_of_itself() -> None:
    module = read_module(tiny_elf.module(["a=1", "a=2", "b=x=y", "empty="], weak=["maybe"]))
    assert module.modinfo == {"a": ("1", "2"), "b": ("x=y",), "empty": ("",)}
    assert (module.info("a"), module.info("empty"), module.info("absent")) == ("1", "", None)
    assert module.undefined == ("_printk", "klp_enable_patch")
    assert module.weak == ("maybe",)
    assert not module.has_debug
    assert read_module(tiny_elf.module(sections=[".debug_info"])).has_debug


def test_a_good_module_has_no_fault() -> None:
    assert found(read_module(tiny_elf.module())) == []


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (tiny_elf.module([e for e in tiny_elf.MODINFO if "livepatch" not in e]), "livepatch=Y"),
        (tiny_elf.module([*tiny_elf.MODINFO[:2], "depends=conn", *tiny_elf.MODINFO[3:]]), "conn"),
        (tiny_elf.module([*tiny_elf.MODINFO[:-1], "vermagic=6.1.0-5-amd64 SMP"]), "vermagic"),
        (tiny_elf.module(tiny_elf.MODINFO[:-1]), "vermagic"),
        (tiny_elf.module(weak=["maybe"]), "weak symbol maybe would be NULL"),
        (tiny_elf.module(undefined=["kallsyms_on_each"]), "kallsyms_on_each is not exported"),
    ],
)
def test_each_fault_is_told(data: bytes, fault: str) -> None:
    (told,) = found(read_module(data))
    assert fault in told


def test_what_is_not_known_is_not_judged() -> None:
    module = read_module(tiny_elf.module(undefined=["kallsyms_on_each"]))
    assert faults(module, release=None, exports=None) == []


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


def test_exports() -> None:
    text = (
        "0x12345678\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x1\tklp_x\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"
    )
    assert exports_of(text) == {"_printk", "klp_x"}
    assert exports_of("") == frozenset()
