# SPDX-License-Identifier: MIT
import re
from pathlib import Path

from lppack.rules.every import every, live
from tools import rules_page


def test_the_page_is_current() -> None:
    assert rules_page.differences() == [], "run: python -m tools.rules_page --update"


def test_every_rule_is_on_it() -> None:
    titles = re.findall(r"^## (.*)$", rules_page.page(), re.MULTILINE)
    assert titles == [entry.id for entry in every()]


def test_it_says_how_many_there_are() -> None:
    said = f"{len(every())} rules, which make\n{len(live())} of the 56"
    assert said in rules_page.page()


def test_a_page_that_is_old_is_seen(tmp_path: Path) -> None:
    old = tmp_path / "rules.md"
    old.write_text(rules_page.page().replace("no-function-twice", "no-function-thrice"))
    assert any(line.startswith("+## no-function-twice") for line in rules_page.differences(old))
    assert rules_page.differences(tmp_path / "missing.md")
