# SPDX-License-Identifier: MIT
"""docs/drafts.md has the answers that the tests require."""

from pathlib import Path

from tests.docker.cases import CASES
from tools.cases_page import PAGE, page

DIFFS = Path(__file__).parent.parent / "cases"


def test_the_table_is_what_the_tests_require() -> None:
    text = PAGE.read_text()
    assert page(text) == text


def test_every_diff_has_an_answer() -> None:
    assert {file.stem for file in DIFFS.glob("*.diff")} == set(CASES)
