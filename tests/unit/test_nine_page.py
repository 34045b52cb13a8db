# SPDX-License-Identifier: MIT
"""docs/nine.md: each pair of the mail, with what the simulator says of it."""

import re
from pathlib import Path

from lppack.consistency import Leave, Switch
from tools import nine_page


def test_the_page_is_current() -> None:
    assert nine_page.differences() == [], "run: python -m tools.nine_page --update"


def test_each_pair_has_a_section_and_all_but_the_strongest_a_run() -> None:
    _, *sections = re.split(r"^## ", nine_page.PAGE.read_text(), flags=re.MULTILINE)
    assert [section.splitlines()[0] for section in sections] == [
        f"{leave.name} {switch.name}" for leave in Leave for switch in Switch
    ]
    assert ["```text" in section for section in sections] == [True] * 8 + [False]


def test_a_page_that_is_old_is_seen(tmp_path: Path) -> None:
    old = tmp_path / "nine.md"
    text = nine_page.PAGE.read_text()
    row = "| LEAVE_KERNEL SWITCH_KERNEL | - "
    assert row in text
    old.write_text(text.replace(row, row.replace("-", "yes")))
    assert nine_page.differences(old)
