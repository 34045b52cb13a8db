# SPDX-License-Identifier: MIT
"""Calls and jumps are found in x86-64 code, and nothing that only looks like one."""

import pytest

from lppack.proof.branches import branches, ends


@pytest.mark.parametrize(
    ("code", "offset", "width", "leads_to"),
    [
        ("e8 0b000000", 1, 4, 0x1010),  # call
        ("e9 fbffffff", 1, 4, 0x1000),  # jmp, backwards
        ("eb 10", 1, 1, 0x1012),  # jmp
        ("eb fe", 1, 1, 0x1000),
        ("70 01", 1, 1, 0x1003),  # jo
        ("7f 01", 1, 1, 0x1003),  # jg
        ("0f84 0a000000", 2, 4, 0x1010),  # je
        ("0f8f 0a000000", 2, 4, 0x1010),  # jg
        ("e3 02", 1, 1, 0x1004),  # jrcxz
        ("e2 02", 1, 1, 0x1004),  # loop
        ("3e e9 0a000000", 2, 4, 0x1010),  # notrack
        ("2e e8 0a000000", 2, 4, 0x1010),  # cs, as before a call of a thunk
        ("f2 0f84 09000000", 3, 4, 0x1010),  # bnd
        ("2e 75 02", 2, 1, 0x1005),  # not taken
    ],
)
def test_each_kind_of_branch(code: str, offset: int, width: int, leads_to: int) -> None:
    found = list(branches(bytes.fromhex(code), 0x1000))
    assert found == [(offset, width, leads_to)]


@pytest.mark.parametrize(
    "code",
    [
        "b8 e8000000",  # mov $0xe8, %eax
        "48c7c7 e9000000",  # mov $0xe9, %rdi
        "488b05 eb000000",  # mov 0xeb(%rip), %rax
        "0faf c0",  # imul
        "0f94 c0",  # sete
        "ff d0",  # call *%rax
        "ff25 00000000",  # jmp *0(%rip)
        "c3",
        "0f0b",  # ud2
        "6690",  # nop
        "0f1f440000",
        "06",  # no instruction
        "0f04",
        "0f",
    ],
)
def test_what_is_no_branch(code: str) -> None:
    assert list(branches(bytes.fromhex(code), 0)) == []


def test_offsets_count_from_the_start() -> None:
    code = bytes.fromhex("90 7402 e800000000 c3")
    assert list(branches(code, 0x100)) == [(2, 1, 0x105), (4, 4, 0x108)]


def test_ends() -> None:
    code = bytes.fromhex("0f1f440000 48c7c700000000 06 c3")
    assert ends(code) == [5, 12, 13, 14]
    assert ends(b"") == []
