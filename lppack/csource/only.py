# SPDX-License-Identifier: MIT
"""Apply a later version's text to some functions of a file only."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from lppack.csource.items import Item, ItemKind
from lppack.csource.parse import parse
from lppack.csource.scan import Piece, pieces
from lppack.errors import AnswerIsNo


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One piece of the text, with its items."""

    piece: Piece
    items: tuple[Item, ...]
    text: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for item in self.items for name in item.names)


def only(path: str, before: str, after: str, functions: Iterable[str]) -> str:
    """Return ``before`` with ``functions`` of ``after``, and the new items that they use.

    Raise AnswerIsNo if a function is missing, or is the same in both.
    """
    wanted = set(functions)
    old, new = _parts(path, before), _parts(path, after)
    missing = sorted(wanted - {name for part in new for name in part.names})
    if missing:
        here = sorted({n for part in new if part.piece.kind == "function" for n in part.names})
        close = difflib.get_close_matches(missing[0], here, n=2)
        raise AnswerIsNo(
            f"{path} has no function {', '.join(missing)}",
            hint=f"did you mean {' or '.join(close)}?" if close else None,
        )
    known = {name for part in old for name in part.names}
    fresh = [part for part in new if part.names and not part.names & known]
    taken: set[str] = set()
    todo = list(wanted)
    by_name = {name: part for part in new for name in part.names}
    by_branch = {(name, part.piece.conditions): part for part in new for name in part.names}
    added = {name for part in fresh for name in part.names}
    while todo:
        part = by_name.get(todo.pop())
        for item in part.items if part else ():
            for name in item.uses & added - taken:
                taken.add(name)
                todo.append(name)
    chosen = [part for part in fresh if part.names & (taken | wanted)]
    edits: list[tuple[int, int, str]] = []
    first = min(
        (part.piece.start for part in old if part.piece.kind == "function"), default=len(before)
    )
    changed = False
    place = None
    for part in old:
        if part.names & wanted and part.piece.kind == "function":
            name = next(iter(part.names & wanted))
            other = by_branch.get((name, part.piece.conditions), by_name[name])
            changed |= _tokens(part) != _tokens(other)
            edits.append((part.piece.start, part.piece.end, other.text))
            place = part.piece.start if place is None else min(place, part.piece.start)
    if not changed and not wanted - known:
        names = ", ".join(sorted(wanted))
        raise AnswerIsNo(f"{names} is the same in both versions of {path}")
    for part in chosen:
        at = place if part.piece.kind == "function" and place is not None else first
        edits.append((at, at, f"{part.text}\n\n"))
    last = max((part.piece.end for part in old if part.piece.kind == "include"), default=0)
    lines = {part.text for part in old if part.piece.kind == "include"}
    more = [p.text for p in new if p.piece.kind == "include" and p.text not in lines]
    if more:
        edits.append((last, last, "".join(f"\n{line}" for line in more)))
    text = before
    # From the end; at one place what is replaced goes before what is put in front of it.
    for _, (start, end, own) in sorted(
        enumerate(edits), key=lambda edit: (-edit[1][0], edit[1][0] == edit[1][1], -edit[0])
    ):
        text = text[:start] + own + text[end:]
    return text


def same(path: str, before: str, after: str, functions: Iterable[str]) -> bool:
    """Return True if each of ``functions`` is in both texts, and is equal."""
    old, new = (
        {name: _tokens(part) for part in _parts(path, text) for name in part.names}
        for text in (before, after)
    )
    return all(name in old and old[name] == new.get(name) for name in functions)


def _tokens(part: _Part) -> list[str]:
    return [item.tokens for item in part.items]


def _parts(path: str, text: str) -> list[_Part]:
    found = []
    for piece in pieces(text):
        own = text[piece.start : piece.end]
        items = parse(path, own).items
        functions = [item for item in items if item.kind is ItemKind.FUNCTION]
        found.append(
            _Part(
                piece=piece,
                items=tuple(functions if piece.kind == "function" else items),
                text=own,
            )
        )
    return found
