# SPDX-License-Identifier: MIT
"""Rules stand data of any shape: what the schema refuses, they pass over."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lppack.document import Pointer
from lppack.rules.folder import problems_of, rule_problems
from tests.kit.samples import document, full

# -- data of any shape

_WORDS = st.sampled_from(
    ["conn", "vmlinux", "lp_conn", "hybrid", "engine", *full()["needs"], "/a(/", "../x.c", "x.c"]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | _WORDS
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=3)
)


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from _keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from _keys(below)


_KEYS = st.sampled_from(sorted(set(_keys(full())))) | st.text(max_size=3)
_VALUES = st.recursive(
    _SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(_KEYS, below, max_size=4),
    max_leaves=12,
)


def _places(value: object, pointer: Pointer = ()) -> Iterator[Pointer]:
    yield pointer
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _places(below, (*pointer, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _places(below, (*pointer, index))


_PLACES = st.sampled_from(list(_places(full())))


def _put(data: Any, pointer: Pointer, value: object) -> Any:
    if not pointer:
        return value
    step = pointer[0]
    if isinstance(data, dict) and isinstance(step, str):
        return {**data, step: _put(data.get(step), pointer[1:], value)}
    if isinstance(data, list) and isinstance(step, int):
        return [_put(v, pointer[1:], value) if i == step else v for i, v in enumerate(data)]
    return value


ODD: tuple[object, ...] = (
    None,
    True,
    -1,
    1.5,
    float("nan"),
    "",
    "/(/",
    "x" * 300,
    ["x" * 300],
    b"\xff",
    datetime.date(2026, 11, 22),
    [],
    [[]],
    [{}, {}],
    {},
    {"name": [], "functions": [{"old": {}, "new": []}], "lock": [], "expect": {"before": {}}},
)


@pytest.mark.parametrize("pointer", list(_places(full())), ids=lambda p: ".".join(map(str, p)))
def test_rules_stand_odd_values_at_every_place(pointer: Pointer, folder: Path) -> None:
    for value in ODD:
        list(rule_problems(document(_put(full(), pointer, value), folder)))


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
