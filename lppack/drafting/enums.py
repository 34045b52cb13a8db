# SPDX-License-Identifier: MIT
"""Rewrite changed enums of headers, beside those that the kernel's headers define."""

import re
from collections.abc import Iterator, Sequence

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind

_ENUM = re.compile(r"\s*enum\b\s*(?P<tag>\w*)\s*\{")
_SMALL = re.compile(r"\b1[uUlL]*\s*<<\s*(?:[12]?\d|30)\b|\bBIT\w*\s*\(\s*(?:[12]?\d|30)\s*\)")
_WORD = re.compile(r"(?<!\w)(?:\d\w*|[A-Za-z_]\w*|'(?:\\.|[^'])'|<<|[-~])")


def written_anew(item: Item) -> tuple[Item, ...] | None:
    """Return an enum with other names, and macros that map the original names to them.

    The old enum is declared already, and cannot be declared again. Return None if ``item`` is no
    enum, or is also a typedef.

    The constants are of the type that they had in the enum, int as a rule, and no longer of the
    enum: prototypes of the headers have the old one, and the compiler would warn.
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


def perhaps_of_another_type(every: Sequence[Changes]) -> Iterator[str]:
    """Yield enums of headers whose type may become signed or wider.

    A variable of such an enum has the old type in the patch.
    """
    for changes in every:
        for item in changes.changed if changes.after.path.endswith(".h") else ():
            found = _ENUM.match(item.text)
            if item.kind is not ItemKind.TYPE or not found or not found["tag"]:
                continue
            old = next(i for i in changes.before.by_name[item.name] if i.kind is ItemKind.TYPE)
            if other := sorted(_range(item) ^ _range(old)):
                yield (
                    f"enum {found['tag']} in {changes.after.path} may be signed or wide where it "
                    f"was not, or no longer ({', '.join(other)}): its variables have the old type "
                    "in the patch"
                )


def _range(item: Item) -> frozenset[str]:
    """Return the parts on which its type may depend: signs, large numbers, other constants."""
    found = set()
    body = _SMALL.sub("1", item.tokens).partition("{")[2]
    for word in _WORD.findall(body):
        if word[0].isdigit():
            digits = word.rstrip("uUlL")
            octal = re.fullmatch(r"0[0-7]+", digits)
            small = octal or re.fullmatch(r"0[xX][0-9a-fA-F]+|0[bB][01]+|[1-9]\d*|0", digits)
            if not small or int(digits, 8 if octal else 0) >= 1 << 31:
                found.add(word)
        elif word not in item.names and word[0] != "'":
            found.add(word)
    return frozenset(found)


def _macro(name: str, tag: str) -> Item:
    text = f"#define {name} (+lp_{name})" if tag else f"#define {name} lp_{name}"
    spot = (text.rindex(f"lp_{name}"), f"lp_{name}")
    return Item(kind=ItemKind.MACRO, names=(name,), text=text, line=0, spots=(spot,))


def _spots(text: str, item: Item) -> tuple[tuple[int, str], ...]:
    """Return the offset of each name that it uses."""
    return tuple(
        (found.start(), name)
        for name in sorted(item.uses)
        for found in re.finditer(rf"\b{re.escape(name)}\b", text)
    )


def leads_to_an_enum(item: Item) -> bool:
    """Return True if a macro was created by written_anew()."""
    name = re.escape(item.name)
    return bool(re.fullmatch(rf"# ?define {name} (?:\(\+lp_{name}\)|lp_{name})", item.tokens))
