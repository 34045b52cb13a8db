# SPDX-License-Identifier: MIT
"""Find types whose layout depends on another item that a change modifies."""

import re
from collections.abc import Iterator

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind
from lppack.drafting.edit import Edit
from lppack.drafting.places import Files
from lppack.proof.prover import Comparison


def laid_out(edit: Edit, comparison: Comparison, files: Files) -> Iterator[str]:
    """Yield types whose layout may depend on a changed macro, constant or type.

    Existing objects have the old layout.
    """
    names = {name for changes in edit.changes for name in _measures(changes)}
    if not names:
        return
    touched = {n for c in edit.changes for i in (*c.changed, *c.added) for n in i.names}
    paths = [*edit.files, *(path for path, _ in comparison.affected.standing)]
    paths += [unit.unit.path for unit in comparison.units if not unit.identical]
    items = [
        (path, item)
        for path in dict.fromkeys(paths)
        if (changes := files(path)) is not None
        for item in changes.after.items
        if item.kind in (ItemKind.MACRO, ItemKind.TYPE)
    ]
    found: dict[tuple[str, str], list[str]] = {}
    grown = True
    while grown:
        grown = False
        for path, item in items:
            by = sorted(name for name in names if item.uses & {name} and _holds(item, name))
            if not by or (path, item.name) in found:
                continue
            found[path, item.name] = by
            grown = True
            names |= set(item.names)
            if item.kind is ItemKind.TYPE and "{" in item.text and item.name not in touched:
                yield f"the layout of {item.name} in {path} may change with {', '.join(by)}"


def _measures(changes: Changes) -> Iterator[str]:
    """Yield changed names of a file on which the size of a member may depend."""
    for item in (*changes.changed, *changes.added, *changes.removed):
        if item.kind is ItemKind.MACRO:
            yield from item.names
        elif item.kind is ItemKind.TYPE and re.match(r"(?:typedef\s+)?enum\b", item.text):
            old = next((i for i in changes.before.by_name.get(item.name, ())), None)
            yield from _constants(old.text if old else "", item.text)
        elif item.kind is ItemKind.TYPE and re.match(r"typedef\b[^{]*$", item.text):
            yield from item.names


def _holds(item: Item, name: str) -> bool:
    """Return True if the item uses ``name`` other than as the target of a pointer."""
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)(?!\s*\*)", item.text))


def _constants(old: str, new: str) -> set[str]:
    """Return the enum constants whose value may differ."""

    def entries(text: str) -> dict[str, str]:
        body = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
        body = body.partition("{")[2].rpartition("}")[0]
        parts = (" ".join(part.split()) for part in re.split(r",(?![^(]*\))", body))
        return {part.partition("=")[0].strip(): part for part in parts if part}

    before, after = entries(old), entries(new)
    found = before.keys() - after.keys()
    shifted = False
    for (name, text), was in zip(after.items(), [*before, *[""] * len(after)], strict=False):
        shifted = before.get(name) != text or ("=" not in text and (shifted or was != name))
        if shifted:
            found.add(name)
    return set(found)
