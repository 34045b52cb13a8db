# SPDX-License-Identifier: MIT
"""Rules stand data of any shape: what the schema refuses, they pass over."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lppack.document import Pointer
from lppack.rules.folder import problems_of, rule_problems
from tests.kit.samples import document, full
from tests.unit.rules.odd import _PLACES, _VALUES, ODD, _places, _put

# -- data of any shape


@pytest.mark.parametrize("pointer", list(_places(full())), ids=lambda p: ".".join(map(str, p)))
def test_rules_stand_odd_values_at_every_place(pointer: Pointer, folder: Path) -> None:
    for value in ODD:
        list(rule_problems(document(_put(full(), pointer, value), folder)))


@pytest.mark.slow
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(st.tuples(_PLACES, _VALUES), min_size=1, max_size=3))
def test_rules_stand_data_of_any_shape(changes: list[tuple[Pointer, object]], folder: Path) -> None:
    data = full()
    for pointer, value in changes:
        data = _put(data, pointer, value)
    for problem in problems_of(document(data, folder)):
        assert problem.rule
        assert problem.message


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=_VALUES)
def test_rules_stand_any_document(data: object, folder: Path) -> None:
    problems_of(document(data, folder))


@pytest.mark.parametrize("pointer", list(_places(full()))[1:], ids=lambda p: ".".join(map(str, p)))
def test_text_of_the_author_cannot_write_to_the_terminal(pointer: Pointer, folder: Path) -> None:
    nasty = "LEAVE_\x1b[2J\ud800\n"
    for data in (
        _put(full(), pointer, nasty),
        _put(full(), pointer, [nasty, {nasty: nasty}, nasty]),
    ):
        for problem in problems_of(document(data, folder)):
            assert problem.message.isprintable(), problem.rule
            assert (problem.hint or "").isprintable(), problem.rule
