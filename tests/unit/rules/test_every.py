# SPDX-License-Identifier: MIT
"""Each rule has a page, a level, a case that passes and one that fails."""

import pytest

from lppack.errors import Level
from lppack.rules.every import DROPPED, RuleEntry, every, live
from tests.unit.rules.every_case import CASES

each = pytest.mark.parametrize("entry", every(), ids=lambda entry: entry.id)


@each
def test_it_has_a_case_that_passes_and_one_that_fails(entry: RuleEntry) -> None:
    assert {case.fails for case in CASES if case.rule is entry.rule} == {False, True}


@each
def test_it_has_a_page_that_says_its_level(entry: RuleEntry) -> None:
    assert entry.page
    assert ("warning" in entry.page.partition(".")[0]) is (entry.level is Level.WARNING), entry.page


def test_no_case_is_of_a_rule_that_is_not_asked() -> None:
    assert {case.rule for case in CASES} == {entry.rule for entry in every()}


def test_ids_are_told_apart() -> None:
    ids = [entry.id for entry in every()]
    assert len(ids) == len(set(ids))


def test_how_many_of_the_56_are_live() -> None:
    assert len(live()) >= 40
    assert all(1 <= number <= 56 for number in live())
    assert not set(live()) & set(DROPPED)
