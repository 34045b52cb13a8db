# SPDX-License-Identifier: MIT
"""Items at the top level of a C file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

# include/linux/static_call_types.h (v6.1): static_call(NAME) has a name of its own kind.
_OF_A_CALL = re.compile(r"\bstatic_call\w*\(\s*$")
_NAME = re.compile(r"\b[A-Za-z_]\w*")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


class ItemKind(StrEnum):
    INCLUDE = "include"
    MACRO = "macro"
    TYPE = "type"
    VARIABLE = "variable"
    PROTOTYPE = "prototype"
    FUNCTION = "function"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item at the top level of a file."""

    kind: ItemKind
    names: tuple[str, ...]  # names that it defines; "struct x" for a tag
    text: str
    line: int  # from 1
    conditions: tuple[str, ...] = ()  # "#ifdef CONFIG_X": the branches around it, outermost first
    spots: tuple[tuple[int, str], ...] = ()  # (offset in text, name) of each other name
    static: bool = False
    inline: bool = False
    init: bool = False  # freed after the start of the kernel or module
    body: int = 0  # offset of the "{" of a function, or of the "=" of a variable; 0: there is none
    statics: tuple[str, ...] = ()  # static variables in a function that are not const

    @property
    def name(self) -> str:
        return self.names[0] if self.names else ""

    @property
    def uses(self) -> frozenset[str]:
        return frozenset(name for _, name in self.spots)

    @property
    def asks(self) -> frozenset[str]:
        """Return the names in the conditions around it."""
        return frozenset(name for line in self.conditions for name in _NAME.findall(line[3:]))

    @property
    def tokens(self) -> str:
        """Return the text without comments, and with white space reduced to one blank."""
        return " ".join(_COMMENT.sub(" ", self.text).split())

    @property
    def parameters(self) -> int:
        """Return the number of parameters of a function."""
        head = _COMMENT.sub(" ", self.text[: self.body])
        found = re.search(rf"\b{re.escape(self.name)}\s*\(", head)
        deep, text = 1, ""
        for sign in head[found.end() :] if found else ")":
            deep += (sign in "([{") - (sign in ")]}")
            if not deep:
                break
            text += sign if deep == 1 else "x"  # a comma in brackets separates no parameters
        return 0 if text.strip() in ("", "void") else text.count(",") + 1

    @property
    def const(self) -> bool:
        return bool(re.search(r"\bconst\b", self.text[: self.body or None]))

    def renamed(self, names: Mapping[str, str], text: str | None = None) -> str:
        """Return the text (or its first part) with ``names`` applied."""
        out, last = [], 0
        text = self.text if text is None else text
        for at, name in self.spots:
            if at < len(text) and name in names and not _OF_A_CALL.search(text[last:at]):
                out += [text[last:at], names[name]]
                last = at + len(name)
        return "".join([*out, text[last:]])


class ParsedFile:
    """A file as a list of items."""

    def __init__(self, path: str, items: tuple[Item, ...], text: str) -> None:
        self.path = path  # in the kernel's tree
        self.items = items
        self.text = text

    @cached_property
    def by_name(self) -> dict[str, tuple[Item, ...]]:
        """Return the items that define or declare each name, in the order of the file."""
        found: dict[str, tuple[Item, ...]] = {}
        for item in self.items:
            for name in item.names:
                found[name] = (*found.get(name, ()), item)
        return found

    @cached_property
    def functions(self) -> dict[str, Item]:
        return {item.name: item for item in self.items if item.kind is ItemKind.FUNCTION}

    def unguarded(self, item: Item) -> Item:
        """Return an item of a header without the header's own guard."""
        guard = item.conditions[0].removeprefix("#if !defined(")[:-1] if item.conditions else ""
        mine = any(one.kind is ItemKind.MACRO for one in self.by_name.get(guard, ()))
        return replace(item, conditions=item.conditions[1:]) if mine else item

    def users(self, name: str) -> tuple[str, ...]:
        """Return the functions whose text contains ``name``."""
        return tuple(n for n, item in self.functions.items() if name in item.uses and n != name)
