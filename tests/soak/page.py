# SPDX-License-Identifier: MIT
"""docs/drafts.md: each soak test of draft writes its own table of it."""

from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs/drafts.md"


def write_table(name: str, head: Sequence[str], rows: Sequence[Sequence[str]], last: str) -> None:
    """The lines between the marks of that name anew: a table, and a sentence after it."""
    cells = [head, ["---"] * len(head), *rows]
    lines = [f"| {' | '.join(text.replace('|', '/') for text in row)} |" for row in cells]
    text = PAGE.read_text()
    before, mark, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->\n")
    assert mark and end, f"{PAGE} has no marks of {name}"
    table = "\n".join([*lines, "", last, ""])
    PAGE.write_text(f"{before}{mark}\n{table}\n{end}{after}")
