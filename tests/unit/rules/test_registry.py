# SPDX-License-Identifier: MIT
"""Each rule has a page, a level, a case that passes and one that fails."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lppack
from lppack.document import Document
from lppack.errors import Level
from lppack.rules import registry
from lppack.rules.registry import DROPPED, MANIFEST, Need, RuleEntry, every, live, rule
from lppack.rules.runner import Fault
from tests.unit.rules.every_case import CASES

RULES = Path(lppack.__file__).parent / "rules"

each = pytest.mark.parametrize("entry", every(), ids=lambda entry: entry.id)


@each
def test_it_has_a_case_that_passes_and_one_that_fails(entry: RuleEntry[Any]) -> None:
    assert {case.fails for case in CASES if case.rule is entry.rule} == {False, True}


@each
def test_it_has_a_page_that_says_its_level(entry: RuleEntry[Any]) -> None:
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


def strays(folder: Path) -> set[str]:
    """Rules of the files of ``folder`` that the registry does not have, wherever they stand."""
    found = {
        f"{file.stem}.{node.name}"
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(mark).startswith("rule(") for mark in node.decorator_list)
    }
    return found - {f"{e.rule.__module__.rpartition('.')[2]}.{e.rule.__name__}" for e in every()}


def test_each_rule_is_registered() -> None:
    """Also of a file that nothing imports."""
    assert strays(RULES) == set()


def test_a_rule_in_a_file_that_nothing_imports_is_seen(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("@rule(needs=MANIFEST)\ndef a_rule(document): ...\n")
    assert strays(tmp_path) == {"new.a_rule"}


def test_a_rule_in_a_file_that_is_not_asked_is_refused() -> None:
    """This file is none of those whose rules ``validate`` runs."""
    with pytest.raises(ValueError, match="test_registry.py is not in the files of"):

        @rule(needs=MANIFEST)
        def a_rule(document: Document) -> Iterator[Fault]:
            yield from ()


def test_each_need_is_asked() -> None:
    """In some file of lppack, by ask() or entry by entry."""
    text = "".join(f.read_text() for f in RULES.parent.rglob("*.py") if f.stem != "registry")
    needs = [name for name, value in vars(registry).items() if isinstance(value, Need)]
    assert [n for n in needs if not re.search(rf"\bask\({n},|\b{n}\.entries\(\)", text)] == []
    assert len(every()) == sum(len(getattr(registry, name).entries()) for name in needs)


def test_numbers_stand_before_the_page() -> None:
    pages = {entry.id: entry.page.partition(":")[0] for entry in every()}
    assert pages["no-function-twice"] == "Rules 4 and 6"
    assert pages["free-forgets-first"] == "Rule 45 (warning)"
    assert not [e.id for e in every() if re.match(r"Rules? \d", inspect.getdoc(e.rule) or "")]


def test_each_case_is_run_by_the_test_of_its_class() -> None:
    """A case in a new file, or of a new class, that no test runs would prove nothing."""
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    classes = {type(case).__name__ for case in CASES}
    assert {name for name in classes if f"of_kind({name})" not in tests} == set()
