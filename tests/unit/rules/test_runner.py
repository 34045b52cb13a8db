# SPDX-License-Identifier: MIT
"""Faults of a rule become problems at their places, and nothing in them writes to a terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.document import Document
from lppack.errors import Level
from lppack.rules.runner import Fault, clip, nearest, problems, rule_id, safe


def no_function_twice(document: Document) -> Iterator[Fault]:
    """A rule."""
    yield Fault(("a",), "here", "way out")
    yield Fault((), "there", spot=("a.c", (7, 3)))


MADE = Document(
    path=Path("/p/manifest.yaml"), shown="manifest.yaml", data={}, values={("a",): (4, 2)}, keys={}
)


def test_a_rule_is_called_what_its_function_is_called() -> None:
    assert rule_id(no_function_twice) == "no-function-twice"


def test_each_fault_has_its_place() -> None:
    found = [*problems(MADE, no_function_twice(MADE), no_function_twice)]
    assert [(p.file, p.line, p.column, p.rule, p.message, p.hint) for p in found] == [
        ("manifest.yaml", 4, 2, "no-function-twice", "here", "way out"),
        ("a.c", 7, 3, "no-function-twice", "there", None),
    ]
    assert {p.level for p in found} == {Level.ERROR}
    [warning, _] = problems(MADE, no_function_twice(MADE), no_function_twice, level=Level.WARNING)
    assert warning.level is Level.WARNING


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("conn_opne", ["conn_open", "conn_close"], "conn_open"),
        ("conn_open", ["conn_open"], "conn_open"),
        ("xyz", ["conn_open"], None),
        ("", ["a"], None),
        ("a", [], None),
    ],
)
def test_what_was_probably_meant(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant
    assert nearest(word, set(known)) == meant, "in whatever order they come"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("\x1b[31m", "\\x1b[31m"), ("a\nb", "a\\nb"), ("\u202e", "\\u202e")],
)
def test_a_text_of_others_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert safe(text) == clip(text) == shown


def test_a_long_text_is_cut() -> None:
    assert clip("x" * 60) == "x" * 60
    assert clip("x" * 61) == "x" * 57 + "..."
