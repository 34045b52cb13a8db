# SPDX-License-Identifier: MIT
"""Keep a changed file's line numbers, so that code that only moved compiles unchanged."""

import difflib

from lppack.csource.scan import safe_lines


def lines_of(text: str, *, ends: bool = False) -> list[str]:
    """Return the lines of a file; unlike str.splitlines(), only a newline ends a line."""
    found = text.split("\n")
    if ends:
        found[:-1] = [f"{line}\n" for line in found[:-1]]
    return found if found[-1] else found[:-1]


def blocks(before: str, after: str) -> list[difflib.Match]:
    """Run of lines that are in both, numbers from 0, in their order.

    Equal lines at the beginning and end are removed first, because difflib needs quadratic time.
    """
    old, new = lines_of(before), lines_of(after)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = difflib.SequenceMatcher(
        None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False
    )
    inner = [
        difflib.Match(one.a + head, one.b + head, one.size) for one in middle.get_matching_blocks()
    ]
    ends = difflib.Match(len(old) - tail, len(new) - tail, tail)
    return [one for one in (difflib.Match(0, 0, head), *inner, ends) if one.size]


def with_old_numbers(before: str, after: str) -> str:
    """Return ``after`` with #line directives that keep __LINE__ where nothing changed."""
    numbers = {
        one.b + at + 1: one.a + at + 1 for one in blocks(before, after) for at in range(one.size)
    }
    safe = safe_lines(after)
    shift, out = 0, []
    for number, line in enumerate(lines_of(after, ends=True), 1):
        wanted = numbers.get(number)
        if wanted is not None and number - wanted != shift and number in safe:
            out.append(f"#line {wanted}\n")
            shift = number - wanted
        out.append(line)
    return "".join(out)
