# SPDX-License-Identifier: MIT
from collections.abc import Callable
from pathlib import Path

from lppack.rules import kernel, manifest
from lppack.rules.runner import rule_id
from tools import rules_page


def test_the_page_is_current() -> None:
    assert rules_page.differences() == [], "run: python tools/rules_page.py --update"


def test_every_rule_is_on_it() -> None:
    every: tuple[Callable[..., object], ...] = (
        *manifest.RULES,
        *manifest.WARNINGS,
        *kernel.RULES,
        kernel.module_is_known,
    )
    assert {name for name, _, _ in rules_page.rules()} == {rule_id(rule) for rule in every}


def test_levels_are_told_apart() -> None:
    levels = {name: level for name, level, _ in rules_page.rules()}
    assert levels["replacement-name-shows-its-origin"] == "warning"
    assert levels["no-function-twice"] == "error"


def test_a_page_that_is_old_is_seen(tmp_path: Path) -> None:
    old = tmp_path / "rules.md"
    old.write_text(rules_page.page().replace("no-function-twice", "no-function-thrice"))
    assert any(line.startswith("+## no-function-twice") for line in rules_page.differences(old))
    assert rules_page.differences(tmp_path / "missing.md")
