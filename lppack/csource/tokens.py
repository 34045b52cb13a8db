# SPDX-License-Identifier: MIT
"""A light reading of C: tokens with their places, functions, calls. Not a compiler.

It recognises comments, strings and directives, and finds a function by its shape. It expands no
macros and reads no headers, so a rule sees only the text. A parser would understand plain C better,
but would fail at the first `list_for_each_entry()`.
"""

import functools
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from lppack.document import Place

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z) | //(?:\\\n|[^\n])*)
      | (?P<splice>\\\r?\n) | (?P<line>\n)
      | (?P<string>(?:L|u8|u|U)?"(?:\\.|[^"\\\n])*"?) | (?P<char>'(?:\\.|[^'\\\n])*'?)
      | (?P<name>[A-Za-z_]\w*) | (?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
      | (?P<mark>->|\+\+|--|\.\.\.|\#\#|&&|\|\||<<|>>|[-+*/%&|^=!<>]=|[^\s\w])""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = frozenset(
    (
        *("if", "for", "while", "switch", "return", "sizeof", "typeof", "__typeof__", "do"),
        *("else", "case", "goto", "alignof", "_Alignof", "_Static_assert", "static_assert"),
        *("defined", "asm", "__asm__", "__attribute__"),
    )
)
#: Macros with arguments that stand in the head of a function beside its name.
_ATTRIBUTES = frozenset(
    (
        *("__attribute__", "__printf", "__scanf", "__aligned", "__section", "__acquires"),
        *("__releases", "__must_hold", "__alloc_size", "__malloc", "__nonnull"),
        *("__counted_by", "__diagnose_as", "__must_hold_shared"),
    )
)


class Token(NamedTuple):
    kind: str  # name, number, string, char, mark
    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class CFunction:
    """A definition: ``head`` is the text before the body, ``body`` the text inside the braces."""

    name: str
    at: Token
    head: tuple[Token, ...]
    body: tuple[Token, ...]
    called: tuple[Token, ...]  # in the body

    @property
    def is_static(self) -> bool:
        return any(token.text == "static" for token in self.head)

    @property
    def returns(self) -> tuple[str, ...]:
        """Return the words before the name: ``("static", "int")``."""
        return tuple(token.text for token in self.head[: self.head.index(self.at)])

    def calls(self, *names: str) -> Iterator[Token]:
        """Return the calls in the body: of these names, or all."""
        return (token for token in self.called if not names or token.text in names)


@dataclass(frozen=True, slots=True)
class CFile:
    shown: str  # the path for messages
    tokens: tuple[Token, ...]  # without comments and directives
    directives: tuple[tuple[Token, ...], ...]  # each from its # to the end of the line
    called: tuple[Token, ...]  # anywhere
    functions: tuple[CFunction, ...]
    layouts: dict[str, str] = field(hash=False)  # "struct NAME" -> its members, as tokens
    lines: tuple[int, ...] = field(repr=False)  # offset of each line's start

    def spot(self, token: Token) -> tuple[str, Place]:
        """Return the file, line and column of a token."""
        line = bisect_right(self.lines, token.offset)
        return self.shown, (line, token.offset - self.lines[line - 1] + 1)

    @property
    def names(self) -> frozenset[str]:
        """Return every identifier, also those in directives."""
        found = {token.text for token in self.tokens if token.kind == "name"}
        return frozenset(found.union(*({t.text for t in line} for line in self.directives)))

    @property
    def hides_functions(self) -> bool:
        """Return True if a macro or an included source may define functions that are not visible
        here."""
        return any(
            any(token.text == "##" for token in line)
            or any(token.kind == "string" and token.text.endswith('.c"') for token in line)
            for line in self.directives
        )


@functools.lru_cache(maxsize=64)
def read_c(text: str, shown: str) -> CFile:
    """Read any text; text that is not C has no functions."""
    tokens, directives = _split(text)
    functions, layouts = _outline(tokens, directives)
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    return CFile(shown, tokens, directives, calls(tokens), functions, layouts, tuple(starts))


def calls(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Return the names before an opening parenthesis, without keywords."""
    return tuple(
        token
        for token, after in zip(tokens, tokens[1:], strict=False)
        if after.text == "(" and token.kind == "name" and token.text not in _KEYWORDS
    )


def arguments(tokens: tuple[Token, ...], call: Token) -> tuple[Token, ...]:
    """Return the tokens in the parentheses of a call."""
    start = tokens.index(call) + 2
    depth, end = 1, start
    while end < len(tokens) and depth:
        depth += (tokens[end].text == "(") - (tokens[end].text == ")")
        end += 1
    return tokens[start : end - 1 if not depth else end]


def _split(text: str) -> tuple[tuple[Token, ...], tuple[tuple[Token, ...], ...]]:
    tokens: list[Token] = []
    directives: list[tuple[Token, ...]] = []
    line: list[Token] | None = None  # the directive that is being read
    first = True  # nothing but comments stood on this line yet
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or "mark"
        if kind == "line":
            if line is not None:
                directives.append(tuple(line))
            line, first = None, True
        elif kind not in ("comment", "splice"):
            token = Token._make((kind, found[0], found.start()))
            if line is not None:
                line.append(token)
            elif first and token.text == "#":
                line = [token]
            else:
                tokens.append(token)
            first = False
    if line is not None:
        directives.append(tuple(line))
    return tuple(tokens), tuple(directives)


def _outline(
    tokens: tuple[Token, ...], directives: tuple[tuple[Token, ...], ...]
) -> tuple[tuple[CFunction, ...], dict[str, str]]:
    branches = [(line[0].offset, line[1].text) for line in directives if len(line) > 1]
    functions: list[CFunction] = []
    layouts: dict[str, str] = {}
    start = index = 0  # start: of what stands at the top level since the last ; or }
    while index < len(tokens):
        text = tokens[index].text
        if text == "{":
            head, close = tokens[start:index], _closing(tokens, index, branches)
            body = tokens[index + 1 : close]
            name = _function_name(head)
            if name is not None:
                functions.append(CFunction(name.text, name, head, body, calls(body)))
            elif len(head) > 1 and head[-2].text in ("struct", "union"):
                layouts[f"{head[-2].text} {head[-1].text}"] = " ".join(t.text for t in body)
            index = close
            if name is not None:
                start = index + 1
        elif text == ";":
            start = index + 1
        index += 1
    return tuple(functions), layouts


def _closing(tokens: tuple[Token, ...], index: int, branches: Sequence[tuple[int, str]]) -> int:
    """Return where the brace at ``index`` is closed. Each branch of an #if begins as deep in braces
    as the first, and what follows is as deep as the last one ends."""
    depth, outer = 0, list[int]()
    number = bisect_right(branches, (tokens[index].offset, ""))
    for place in range(index, len(tokens)):
        while number < len(branches) and branches[number][0] < tokens[place].offset:
            match branches[number][1]:
                case "if" | "ifdef" | "ifndef":
                    outer.append(depth)
                case "elif" | "else":
                    depth = outer[-1] if outer else 0  # the brace is in a branch
                case "endif" if outer:
                    outer.pop()
            number += 1
        text = tokens[place].text
        depth += (text == "{") - (text == "}")
        if text == "}" and depth == 0:
            return place
    return len(tokens)


def _function_name(head: tuple[Token, ...]) -> Token | None:
    """Return the name before the last list of arguments; None if this is data or a type."""
    depth, found = 0, None
    for token, after in zip_longest(head, head[1:]):
        if depth == 0 and token.text == "=":
            return None
        called = depth == 0 and token.kind == "name" and after is not None and after.text == "("
        if called and token.text not in _ATTRIBUTES | _KEYWORDS:
            found = token
        depth += (token.text == "(") - (token.text == ")")
    return found
