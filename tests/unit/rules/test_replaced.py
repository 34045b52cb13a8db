# SPDX-License-Identifier: MIT
"""What a manifest replaces, looked up in the facts of a kernel."""

from typing import Any

import pytest

from lppack.rules.replaced import clones_of, copies_of, patched_functions
from tests.kit.fake_facts import FakeFacts, symbol
from tests.kit.samples import document

FACTS = FakeFacts(
    {
        "vmlinux": [symbol("f"), symbol("f", 2), symbol("g.isra.0")],
        "loop": [symbol("f"), symbol("h.part.0")],
    }
)


def test_each_function_has_its_place_and_its_object() -> None:
    objects = [
        {"name": "vmlinux", "functions": [{"old": "f"}, {"old": "g", "sympos": 2}]},
        {"name": "loop", "functions": [{"old": "f"}]},
    ]
    assert [*patched_functions(document({"objects": objects}))] == [
        (("objects", 0, "functions", 0, "old"), "vmlinux", "f", None),
        (("objects", 0, "functions", 1, "old"), "vmlinux", "g", 2),
        (("objects", 1, "functions", 0, "old"), "loop", "f", None),
    ]


@pytest.mark.parametrize(
    "objects",
    [None, 1, [None], [{}], [{"name": 1, "functions": [{"old": "f"}]}], [{"name": "x"}]]
    + [[{"name": "x", "functions": functions}] for functions in (None, "f", [1], [{"old": 1}])],
)
def test_what_is_ill_formed_is_passed_over(objects: Any) -> None:
    assert [*patched_functions(document({"objects": objects}))] == []


def test_a_position_that_is_no_number_is_none() -> None:
    objects = [{"name": "x", "functions": [{"old": "f", "sympos": "2"}]}]
    [(_, _, _, sympos)] = patched_functions(document({"objects": objects}))
    assert sympos is None


def test_copies_are_those_of_the_object() -> None:
    assert [one.sympos for one in copies_of(FACTS, "vmlinux", "f") or ()] == [1, 2]
    assert len(copies_of(FACTS, "loop", "f") or ()) == 1
    assert copies_of(FACTS, "loop", "nothing") == ()
    assert copies_of(FACTS, "no_such_module", "f") is None, "which is another thing"


def test_changed_copies_too() -> None:
    assert clones_of(FACTS, "vmlinux", "g") == ("g.isra.0",)
    assert clones_of(FACTS, "loop", "h") == ("h.part.0",)
    assert clones_of(FACTS, "loop", "g") == ()
