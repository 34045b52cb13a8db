# SPDX-License-Identifier: MIT
"""A manifest as it was written: data of any shape, and the place of each part."""

from pathlib import Path
from typing import Any

import pytest

from lppack.document import Document
from lppack.errors import Level
from tests.kit.samples import document

DATA = {"a": {"b": ["x", 1, "y"]}, "list": [{"n": 1}, "no", {"n": 2}], "s": "text", "none": None}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ((), DATA),
        (("a", "b", 0), "x"),
        (("a", "b", 3), None),
        (("a", "b", "0"), None),
        (("a", 0), None),
        (("s", 0), None),
        (("none", "x"), None),
        (("nothing",), None),
    ],
)
def test_what_is_not_there_is_none(pointer: tuple[str | int, ...], value: object) -> None:
    assert document(DATA).at(*pointer) == value


@pytest.mark.parametrize("data", [None, [], "x", 1, True, [[["x"]]]])
def test_data_of_any_shape_is_passed_over(data: Any) -> None:
    made = document(data)
    assert made.text("a", "b") is None
    assert not [*made.strings("a")] and not [*made.mappings("a")]


def test_lists_are_walked_with_the_place_of_each() -> None:
    made = document(DATA)
    assert [*made.strings("a", "b")] == [(("a", "b", 0), "x"), (("a", "b", 2), "y")]
    assert [*made.mappings("list")] == [(("list", 0), {"n": 1}), (("list", 2), {"n": 2})]
    assert made.text("s") == "text" and made.text("a") is None


def test_the_place_is_that_of_the_nearest_that_is_known() -> None:
    made = Document(
        path=Path("/p/manifest.yaml"),
        shown="manifest.yaml",
        data={},
        values={(): (1, 1), ("a",): (3, 5), ("a", "b"): (4, 7)},
        keys={("a",): (3, 1)},
    )
    assert made.folder == Path("/p")
    assert made.place(("a", "b")) == (4, 7)
    assert made.place(("a", "c", 0)) == (3, 5)
    assert made.place(("a",), key=True) == (3, 1)
    assert made.place(("a", "b"), key=True) == (3, 5), "no key of it is known: its parent's value"
    assert made.place(("x",)) == made.place(()) == (1, 1)
    assert document({}).place(("x",)) == (1, 1)


def test_a_problem_has_the_place_and_the_level() -> None:
    problem = document({}).problem(("a",), "rule", "is wrong", hint="way out", level=Level.WARNING)
    assert (problem.line, problem.column, problem.rule) == (1, 1, "rule")
    assert str(problem).endswith("warning[rule]: is wrong\n  hint: way out")
