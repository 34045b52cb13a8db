# SPDX-License-Identifier: MIT
"""Odd values, in any place of a manifest."""

import datetime
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from lppack.document import Pointer
from tests.kit.samples import full

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
