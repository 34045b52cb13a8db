# SPDX-License-Identifier: MIT
import re
from pathlib import Path

from lppack.rules.registry import every, live
from tools import rule_examples, rules_page


def test_the_page_is_current() -> None:
    assert rules_page.differences() == [], "run: python -m tools.rules_page --update"


def test_every_rule_is_on_it() -> None:
    titles = re.findall(r"^## (.*)$", rules_page.page(), re.MULTILINE)
    assert titles == [*(entry.id for entry in every()), "The manifest that the examples change"]


def test_every_rule_has_an_example_that_breaks_it_and_one_that_passes() -> None:
    _, *parts = re.split(r"^## ", rules_page.page(), flags=re.MULTILINE)
    for part in parts[:-1]:
        shown = re.findall(r"^\*(Breaks it|Passes):\*", part, re.MULTILINE)
        assert shown == ["Breaks it", "Passes"], part[:80]
        breaks, _, passes = part.partition("*Breaks it:*")[2].partition("*Passes:*")
        assert "\n> " in breaks, part[:80]
        assert "\n> " not in passes, part[:80]


def test_an_example_is_what_the_rule_says() -> None:
    (entry,) = (entry for entry in every() if entry.id == "series-name-is-free")
    shown = rule_examples.examples(entry)
    assert '```yaml\nname: engine\n```\n\n> "engine" is a reserved name' in shown


def test_it_says_how_many_there_are() -> None:
    page = rules_page.page()
    assert f"against {len(every())} rules." in page
    assert f"The rules implement {len(live())} of the 56" in page


def test_a_page_that_is_old_is_seen(tmp_path: Path) -> None:
    old = tmp_path / "rules.md"
    old.write_text(rules_page.page().replace("no-function-twice", "no-function-thrice"))
    assert any(line.startswith("+## no-function-twice") for line in rules_page.differences(old))
    assert rules_page.differences(tmp_path / "missing.md")
