# SPDX-License-Identifier: MIT
"""What the sections of an object file are for."""

import pytest

from lppack.proof.sections import ALTERNATIVES, IGNORED, LIVING, NAMELESS, between


@pytest.mark.parametrize(
    ("named", "size", "left"),
    [
        ([], 0, []),
        ([], 8, [(0, 8)]),
        ([(0, 8)], 8, []),
        ([(2, 4)], 8, [(0, 2), (4, 8)]),
        ([(4, 8), (0, 2)], 8, [(2, 4)]),  # in whatever order
        ([(0, 6), (1, 2)], 8, [(6, 8)]),  # one inside the other
        ([(0, 4), (4, 8)], 8, []),
        ([(0, 0)], 4, [(0, 4)]),
    ],
)
def test_what_no_name_covers(
    named: list[tuple[int, int]], size: int, left: list[tuple[int, int]]
) -> None:
    assert [*between(named, size)] == left


@pytest.mark.parametrize(
    "name", [".discard.reachable", ".orc_unwind", ".comment", ".note.gnu", "__mcount_loc"]
)
def test_what_is_not_part_of_what_runs(name: str) -> None:
    assert IGNORED.match(name)


@pytest.mark.parametrize("name", [".text.f", ".data.x", "__jump_table", ".rodata", *ALTERNATIVES])
def test_what_is_part_of_it(name: str) -> None:
    assert not IGNORED.match(name)


def test_objects_of_the_compilers_own() -> None:
    assert NAMELESS.match(".data..Lubsan_data7") and NAMELESS.match(".rodata.rel.ro.local..LC3")
    assert not NAMELESS.match(".data.L") and not NAMELESS.match(".data.limit")
    assert ".data.limit".startswith(LIVING) and ".bss.limit".startswith(LIVING)
    assert not "__dyndbg".startswith(LIVING)
