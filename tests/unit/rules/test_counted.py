# SPDX-License-Identifier: MIT
"""How many words a wrapper hands on, and for what there can be none."""

import pytest

from lppack.rules.counted import REGISTERS, words, words_of
from tests.kit.fake_facts import FACTS

SIZES = {"kuid_t": 4, "struct pair": 16, "struct big": 24}


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ((), 0),
        (("struct seq_file *", "void *"), 2),
        (("u8", "s64", "bool", "enum zone_type", "function *", "s8 []"), 6),
        (("u32",) * 11, 11),
        (("kuid_t", "unnamed_enum_t"), 2),
        (("struct pair", "struct pair", "u64", "u64"), 6),
        (("u128", "u64"), 3),
    ],
)
def test_words_that_are_handed_on(parameters: tuple[str, ...], count: int) -> None:
    assert words(("void", *parameters), SIZES.get) == count


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        (("s32", "s8 *", "..."), "variable number"),
        (("struct pair", "u64"), "returns struct pair by value"),
        (("u128",), "returns u128"),
        (("void", "struct big"), "not in registers"),
        (("void", "u64", "u64", "u64", "u64", "u64", "struct pair"), "not in registers"),
        (("void", *("u64",) * 21), "takes 21 words"),
    ],
)
def test_functions_that_have_no_wrapper(signature: tuple[str, ...], says: str) -> None:
    found = words(signature, SIZES.get)
    assert isinstance(found, str)
    assert says in found


def test_a_result_of_one_word_may_be_a_struct() -> None:
    assert words(("kuid_t", "u64"), SIZES.get) == 1


@pytest.mark.parametrize("where", [(None, "cmdline_proc_show"), (None, "udp_rcv"), ("new", "x")])
def test_at_least_what_is_in_registers(where: tuple[str | None, str]) -> None:
    assert words_of(FACTS, *where) == REGISTERS
