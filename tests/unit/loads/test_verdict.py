# SPDX-License-Identifier: MIT
"""Each thing that a mode forbids is seen in a row, and what it allows is not called a fault."""

from typing import Any

import pytest

from lppack.consistency import ModeName, mode_named
from tests.loads.driver import Row
from tests.loads.verdict import blind, by_mode, faults, table

ALL = {name.value: mode_named(name) for name in ModeName}


def row(mode: str, patch: str = "forms", **changed: Any) -> Row:
    values: dict[str, Any] = {"flips": 4, "seconds": [1.0] * 4, "in_flight": 20, "visits": 100}
    return Row(engine="consistency", mode=mode, load="loop", patch=patch, **{**values, **changed})


def found(mode: str, patch: str = "forms", **changed: Any) -> list[str]:
    return list(faults(row(mode, patch, **changed), ALL[mode]))


@pytest.mark.parametrize("mode", ALL)
def test_a_clean_row_has_no_fault(mode: str) -> None:
    assert found(mode) == []


# Table 1.3 of docs/semantics.md: "mix in one visit to P", "mix in one visit to kernel" and
# "old+new at once".
MIX = {"mixed": {"null-model"}, "mixed_calls": {"null-model", "hybrid", "kpatch", "refcount"}}
AT_ONCE = {"null-model", "hybrid", "kgraft"}


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize("counter", MIX)
def test_universes_that_mix(mode: str, counter: str) -> None:
    changed: dict[str, Any] = {counter: 1}
    assert bool(found(mode, **changed)) is (mode not in MIX[counter])


@pytest.mark.parametrize("mode", ALL)
def test_universes_at_once(mode: str) -> None:
    assert bool(found(mode, together=1)) is (mode not in AT_ONCE)


@pytest.mark.parametrize("mode", ALL)
def test_new_data_that_old_code_meets(mode: str) -> None:
    assert found(mode, "forms", wrong=1), "conversion on access excludes it in every mode"
    assert bool(found(mode, "visits", wrong=1)) is (mode not in AT_ONCE)


def test_flips_that_do_not_finish() -> None:
    assert found("hybrid", flips=40, seconds=[1.0] * 38) == []
    assert found("hybrid", flips=40, seconds=[1.0] * 37)


def test_too_few_visits_in_flight() -> None:
    assert found("hybrid", in_flight=19) == ["19 visits in flight at the start, 20 wanted"]


def test_a_cell_that_broke_off_is_a_fault_whatever_it_counted() -> None:
    assert found("hybrid", broke="no answer") == ["broke off: no answer"]
    assert "| broke |" in table([row("hybrid", broke="no answer")])


def test_loads_that_see_nothing_where_there_is_something() -> None:
    mixing = row("null-model", "visits", mixed=1, wrong=1)
    assert list(blind([mixing], ALL)) == []
    assert len(list(blind([row("null-model", "visits")], ALL))) == 2
    assert list(blind([row("hybrid")], ALL)) == [], "nothing is to be seen there"


def test_the_table_has_a_column_for_each_value() -> None:
    lines = table([row("hybrid"), row("kpatch", seconds=[], longest_stop=1.5)]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| 0/4 | - (-) | 1.50 |" in lines[3]


def test_the_short_table_adds_up() -> None:
    rows = [row("kpatch", seconds=[1.0, 9.0, 3.0], mixed_calls=2, longest_stop=1.5)]
    rows += [row("kpatch", longest_stop=2.5, eintr=1), row("kgraft", seconds=[])]
    lines = by_mode(rows).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2:] == [
        "| consistency | kpatch | 7/8 | 1.00 (9.00) | 2.50 | 200 | 0 | 2 | 0 | 0 | 1 |",
        "| consistency | kgraft | 0/4 | - (-) | - | 100 | 0 | 0 | 0 | 0 | 0 |",
    ]
