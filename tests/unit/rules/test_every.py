# SPDX-License-Identifier: MIT
"""Each rule has a page, a level, a case that passes and one that fails."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lppack
from lppack.errors import Level
from lppack.rules.every import DROPPED, RuleEntry, every, live
from tests.unit.rules.every_case import CASES

RULES = Path(lppack.__file__).parent / "rules"

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


def _listed() -> set[tuple[str, str]]:
    """(module, tuple of rules) that every.py lists."""
    tree = ast.parse((RULES / "every.py").read_text())
    return {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and re.fullmatch("[A-Z_]*RULES|WARNINGS|ENVIRONMENT", node.attr)
    }


def _run(file: Path) -> Iterator[tuple[str, str]]:
    """(module, tuple of rules) that loops of ``file`` call."""
    tree = ast.parse(file.read_text())
    homes = {
        alias.name: str(node.module).rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for loop in ast.walk(tree):
        if isinstance(loop, ast.For | ast.comprehension) and ast.unparse(loop.target) == "rule":
            for node in ast.walk(loop.iter):
                if isinstance(node, ast.Attribute):
                    yield ast.unparse(node.value), node.attr
                elif isinstance(node, ast.Name):
                    yield homes.get(node.id, file.stem), node.id


def test_each_rule_that_is_listed_is_run() -> None:
    files = [*RULES.glob("*.py"), RULES.parent / "stages/apply.py"]
    run = {found for file in files if file.name != "every.py" for found in _run(file)}
    assert _listed() - run == set()
    assert ("inlining", "RULES") in _listed(), "those of another module's loop, too"
    assert ("needs", "RULES") not in run, "rules that folder.py gathers are run under its name"
