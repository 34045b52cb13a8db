# SPDX-License-Identifier: MIT
"""docs/engine.md promises what a test shows, and names it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs/engine.md"


def missing(page: str) -> list[str]:
    """Tests and their files that the page names and that are not there."""
    files = [*TESTS.rglob("test_*.py")]
    texts = "\n".join(path.read_text() for path in files)
    found = []
    for name in re.findall(r"`((?:[\w/]*test_\w+\.py(?:::)?)?(?:test_\w+)?)`", page):
        file, _, test = name.rpartition("::")
        if file:
            path = TESTS / file
            there = path.is_file() and f"\ndef {test}(" in path.read_text()
        elif name.endswith(".py"):
            there = Path(name).name in {path.name for path in files}
        else:
            there = f"\ndef {name}(" in texts
        if name and not there:
            found.append(name)
    return found


def test_each_promise_names_a_test_that_is_there() -> None:
    page = PAGE.read_text()
    assert missing(page) == []
    promises = page.partition("| it promises |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(promises) > 15
    assert [line for line in promises if "::test_" not in line] == []


@pytest.mark.parametrize(
    "name",
    ["guest/test_world.py::test_nothing", "guest/test_no.py::test_x", "test_no.py", "test_no"],
)
def test_one_that_is_not_there_is_seen(name: str) -> None:
    assert missing(f"it holds (`{name}`)") == [name]
