# SPDX-License-Identifier: MIT
"""Macros of headers, which the patch's build reads in the form that they had before the change."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind, ParsedFile

_UNDEFINED = re.compile(r"^[ \t]*#[ \t]*undef[ \t]+(\w+)", re.MULTILINE)


def undefined(every: Sequence[Changes]) -> tuple[str, ...]:
    """Return the macros of headers that the change removes, or removes in one branch.

    What a changed header still says of them is written below.
    """
    headers = [one for one in every if one.before.path.endswith(".h")]
    kept = {
        (name, item.tokens, one.after.unguarded(item).conditions)
        for one in headers
        for name in {item.name for item in one.after.items}
        for item in _defining(one.after, name)
    }
    gone = {
        item.name
        for one in headers
        for item in one.removed
        if item.kind is ItemKind.MACRO and not _is_guard(one.before, item)
        if (item.name, item.tokens, one.before.unguarded(item).conditions) not in kept
    }
    for one in headers:
        gone |= {*_UNDEFINED.findall(one.after.text)} - {*_UNDEFINED.findall(one.before.text)}
    return tuple(sorted(gone))


def altered(changes: Changes) -> Iterator[Item]:
    """Yield what a header has in another form than before; a macro with all of its branches."""
    gone = {item.name for item in changes.removed if item.kind is ItemKind.MACRO}
    for item in (*changes.changed, *changes.added):
        if item.kind is ItemKind.MACRO:
            gone.add(item.name)
        else:
            yield changes.after.unguarded(item)
    for name in sorted(gone):
        items = _defining(changes.after, name)
        if items:
            yield _in_all_branches([changes.after.unguarded(item) for item in items])


def _defining(unit: ParsedFile, name: str) -> list[Item]:
    return [item for item in unit.by_name.get(name, ()) if item.kind is ItemKind.MACRO]


def _in_all_branches(items: Sequence[Item]) -> Item:
    """Return one item for the definitions of a macro, which may be in several branches."""
    if len(items) == 1:
        return items[0]
    text, spots = "", list[tuple[int, str]]()
    for item in items:
        above = "".join(f"{line}\n" for line in item.conditions)
        spots += [(len(text) + at, name) for at, name in _words(above)]
        spots += [(len(text) + len(above) + at, name) for at, name in item.spots]
        text += f"{above}{item.text}\n" + "#endif\n" * len(item.conditions)
    return replace(items[0], text=text.rstrip("\n"), spots=tuple(spots), conditions=())


def _words(conditions: str) -> Iterator[tuple[int, str]]:
    for found in re.finditer(r"(?<!#)\b[A-Za-z_]\w*", conditions):
        yield found.start(), found[0]


def _is_guard(unit: ParsedFile, item: Item) -> bool:
    """Return True if the macro only keeps the header from being read twice."""
    first = next((one for one in unit.items if one.kind is not ItemKind.INCLUDE), None)
    alone = item.tokens.split()[-1] == item.name
    return alone and first is item and item.conditions[:1] == (f"#if !defined({item.name})",)
