# SPDX-License-Identifier: MIT
"""Enums of headers, written anew beside those that the kernel's headers define."""

import re

from lppack.csource.items import Item, ItemKind

_ENUM = re.compile(r"\s*enum\b\s*(?P<tag>\w*)\s*\{")


def written_anew(item: Item) -> tuple[Item, ...] | None:
    """Return an enum with other names, and macros that lead to them from its own: the old one is
    declared already, and cannot be again. None: it is no enum, or also a typedef.

    The constants keep the old type, which prototypes of the headers have.
    """
    found = _ENUM.match(item.text)
    if item.kind is not ItemKind.TYPE or found is None or re.search(r"\btypedef\b", item.text):
        return None
    constants = [name for name in item.names if " " not in name]
    own = [*constants, *filter(None, [found["tag"]])]
    text = re.sub(rf"\b({'|'.join(map(re.escape, own))})\b", r"lp_\1", item.text)
    names = tuple(re.sub(r"(\w+)$", r"lp_\1", name) for name in item.names)
    made = Item(kind=item.kind, names=names, text=text, line=item.line, spots=_spots(text, item))
    return made, *(_macro(name, found["tag"]) for name in constants)


def _macro(name: str, tag: str) -> Item:
    text = f"#define {name} ((enum {tag})lp_{name})" if tag else f"#define {name} lp_{name}"
    spot = (text.rindex(f"lp_{name}"), f"lp_{name}")
    return Item(kind=ItemKind.MACRO, names=(name,), text=text, line=0, spots=(spot,))


def _spots(text: str, item: Item) -> tuple[tuple[int, str], ...]:
    """Return where the names stand that it uses."""
    return tuple(
        (found.start(), name)
        for name in sorted(item.uses)
        for found in re.finditer(rf"\b{re.escape(name)}\b", text)
    )


def leads_to_an_enum(item: Item) -> bool:
    """Whether a macro is one that written_anew() gives."""
    name = re.escape(item.name)
    return bool(
        re.fullmatch(rf"# ?define {name} (?:\(\(enum \w+\)lp_{name}\)|lp_{name})", item.tokens)
    )
