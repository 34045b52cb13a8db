# SPDX-License-Identifier: MIT
"""Find where two versions of a file differ, and in which item."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from lppack.csource.items import Item, ParsedFile
from lppack.csource.lines import blocks, lines_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Some lines that differ, in one item or in none."""

    line: int  # from 1: the first of them, in the version after; in the one before if none is left
    lines: int  # how many, added and removed
    item: Item | None  # None: between items
    before: bool  # the item is that of the version before


def hunks(
    before: str, after: str, old: ParsedFile | None, new: ParsedFile | None
) -> Iterator[Hunk]:
    """Yield each run of differing lines, split at item boundaries."""
    end_old = end_new = 0
    ends = difflib.Match(len(lines_of(before)), len(lines_of(after)), 0)
    for match in [*blocks(before, after), ends]:
        yield from _of(new, end_new + 1, match.b, before=False)
        if match.b == end_new:
            yield from _of(old, end_old + 1, match.a, before=True)
        end_old, end_new = match.a + match.size, match.b + match.size


def _of(unit: ParsedFile | None, first: int, last: int, *, before: bool) -> Iterator[Hunk]:
    if last < first:
        return
    start, item = first, item_at(unit, first)
    for line in range(first + 1, last + 2):
        now = item_at(unit, line) if line <= last else None
        if line > last or now is not item:
            yield Hunk(line=start, lines=line - start, item=item, before=before)
            start, item = line, now


def item_at(unit: ParsedFile | None, line: int) -> Item | None:
    """Return the item that contains a line (from 1); None: it is between items."""
    for item in unit.items if unit else ():
        if item.line <= line <= item.line + item.text.count("\n"):
            return item
    return None
