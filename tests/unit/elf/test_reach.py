# SPDX-License-Identifier: MIT
from collections.abc import Mapping

from lppack.elf.reach import uses
from tests.kit import tiny_elf
from tests.kit.tiny_elf import Reloc

PLT32, ABS64 = 4, 1
SLOTS = ("lp_slot_count", "conn_find")
DEFINED = {
    "lp_open": ".text.lp_open",
    "helper": ".text.helper",
    "ops": ".rodata.ops",
    "lp_glue": ".text",
    "conn_find": ".text",
    "lp_slot_count": ".data..lp_slots.conn",
}


def used(relocations: Mapping[str, list[Reloc]]) -> tuple[str, ...]:
    """What lp_open() uses."""
    data = tiny_elf.module(
        defined=DEFINED,
        code={section: bytes(64) for section in dict.fromkeys(DEFINED.values())},
        relocations=relocations,
    )
    return uses(data, ["lp_open", "lp_close"], SLOTS)["lp_open"]


def test_nothing() -> None:
    assert used({".text.helper": [(0, "conn_find", PLT32, -4)]}) == ()
    assert used({".text.lp_open": [(0, "_printk", PLT32, -4)]}) == ()


def test_what_it_calls_itself() -> None:
    assert used({".text.lp_open": [(0, "conn_find", PLT32, -4)]}) == ("conn_find",)
    both: list[Reloc] = [(0, "conn_find", PLT32, -4), (8, "lp_slot_count", 2, -4)]
    assert used({".text.lp_open": both}) == ("conn_find", "lp_slot_count")


def test_what_it_gets_to_by_others() -> None:
    by_ops: dict[str, list[Reloc]] = {
        ".text.lp_open": [(0, "ops", ABS64, 0)],
        ".rodata.ops": [(8, "helper", ABS64, 0)],
        ".text.helper": [(0, "helper", PLT32, -4), (8, "conn_find", PLT32, -4)],
    }
    assert used(by_ops) == ("conn_find",)


def test_generated_code_is_not_followed() -> None:
    by_glue: dict[str, list[Reloc]] = {
        ".text.lp_open": [(0, "lp_glue", PLT32, -4)],
        ".text": [(0, "conn_find", PLT32, -4)],
    }
    assert used(by_glue) == ()


def test_two_static_functions_of_one_name_are_two() -> None:
    data = tiny_elf.module(
        defined={
            "lp_open": ".text.lp_open",
            "lp_close": ".text.lp_close",
            "check": (".text.check", 0, 16),
            "check_of_another_file": (".text.check", 16, 16),
            "label": (".text.check", 24, 0),
            "conn_find": ".text",
            "lp_slot_count": ".data..lp_slots.conn",
        },
        code={
            ".text.lp_open": bytes(16),
            ".text.lp_close": bytes(16),
            ".text.check": bytes(32),
            ".text": bytes(16),
            ".data..lp_slots.conn": bytes(8),
        },
        relocations={
            ".text.lp_open": [(0, "check", PLT32, -4)],
            ".text.lp_close": [(0, "check_of_another_file", PLT32, -4)],
            ".text.check": [(8, "conn_find", PLT32, -4), (26, "lp_slot_count", 2, -4)],
        },
    )
    found = uses(data, ["lp_open", "lp_close"], SLOTS)
    assert found == {"lp_open": ("conn_find",), "lp_close": ("lp_slot_count",)}
