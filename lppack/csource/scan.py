# SPDX-License-Identifier: MIT
"""Split the text of a kernel's C file into its top-level pieces, without a grammar.

The kernel's macros are not C syntax: a grammar fails at them, and then at all following code.
Brackets and semicolons are right in every file that compiles, so only these are used.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lppack.csource.words import ATTRIBUTES

_TOKEN = re.compile(
    r"""
      (?P<comment>/\*.*?\*/|//(?:\\\n|[^\n])*)
    | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    | (?P<directive>(?:(?<=\n)|\A)[ \t]*\#(?:\\\n|"(?:\\.|[^"\\\n])*"|/\*.*?\*/|[^\n])*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
    | (?P<blank>\s+)
    | (?P<sign>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_DIRECTIVE = re.compile(r"\s*#\s*(?P<word>\w+)\s*(?P<rest>.*)", re.DOTALL)
_BRANCHES = ("if", "ifdef", "ifndef", "elif", "else", "endif")
_TAGS = ("struct", "union", "enum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of the top level of a file."""

    kind: str  # "include", "define", "function", "declaration", "invocation"
    start: int  # offsets in the text
    end: int
    body: int = 0  # offset of the "{" of a function, in the text
    conditions: tuple[str, ...] = ()


@dataclass
class _Branch:
    """One #if with its branches, and how deep in brackets it began."""

    text: str  # the condition that holds now, as one expression
    before: list[str]  # those of the branches before
    start: int = 0  # offset of its #if
    at: tuple[int, int] = (0, 0)


@dataclass
class _Open:
    """The piece that is being read."""

    start: int
    whole: int  # where the #if begins whose branches it is in, in part; or as start
    words: list[str] = field(default_factory=list)  # tokens outside of brackets
    body: int = 0
    invoked: bool = False  # so far it is only WORD(...)


def tokens(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield (kind, offset, token) for the whole ``text``."""
    for found in _TOKEN.finditer(text):
        assert found.lastgroup is not None
        yield found.lastgroup, found.start(), found[0]


def pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces of the top level, in file order."""
    branches: list[_Branch] = []
    braces = brackets = 0
    now: _Open | None = None
    last = 0  # where the last token that is no blank ended
    for kind, at, token in tokens(text):
        if kind in ("comment", "blank"):
            continue
        outside = now is None
        if kind == "directive":
            word, rest = _directive(token)
            start = at + len(token) - len(token.lstrip())
            if word in ("elif", "else", "endif") and now and not now.invoked and branches:
                # A head in each branch, and one body: the #if is part of it.
                now.whole = min(now.whole, branches[-1].start)
            if word in _BRANCHES:
                braces, brackets = _condition(branches, word, rest, (braces, brackets))
            if word in ("if", "ifdef", "ifndef"):
                branches[-1].start = start
            if now is not None and now.invoked and not (braces or brackets):
                yield _piece("invocation", now, last, branches)
                now, outside = None, True
            if outside and word in ("include", "define", "undef"):
                end = at + len(token.rstrip())
                yield Piece(
                    kind=word, start=start, end=end, conditions=tuple(b.text for b in branches)
                )
            last = at + len(token.rstrip())
            continue
        if now is not None and now.invoked and not (braces or brackets):
            # A macro's invocation ends without a semicolon where something else begins.
            more = token in ("{", ";", "=", ",", "(", "[") or kind == "string"
            if not more and kind == "word" and "\n" in text[last:at]:
                yield _piece("invocation", now, last, branches)
                now = None
            elif not more:
                now.invoked = False
        if now is None:
            if token == ";":
                last = at + 1
                continue
            now = _Open(start=at, whole=at)
        last = at + len(token)
        if not braces and not brackets:
            now.words.append(token)
        match token:
            case "(" | "[":
                brackets += 1
            case ")" | "]":
                brackets = max(0, brackets - 1)
                if not brackets and not braces:
                    now.words.append(token)
                    alone = len(now.words) == 3 and now.words[1] == "("
                    now.invoked = token == ")" and alone and now.words[0].isidentifier()
            case "{":
                if not brackets:
                    if not braces and not now.body and _is_body(now.words):
                        now.body = at
                    braces += 1
            case "}":
                if not brackets:
                    braces = max(0, braces - 1)
                    if not braces and now.body:
                        yield _piece("function", now, last, branches)
                        now = None
            case ";" if not braces and not brackets:
                yield _piece("declaration", now, last, branches)
                now = None
    if now is not None and now.invoked:
        yield _piece("invocation", now, last, branches)


def undefined(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (macro, branches around it) of each #undef of the top level."""
    for piece in pieces(text) if "undef" in text else ():
        if piece.kind == "undef":
            yield _directive(text[piece.start : piece.end])[1], piece.conditions


def _piece(kind: str, now: _Open, end: int, branches: list[_Branch]) -> Piece:
    conditions = tuple(branch.text for branch in branches)
    start = now.whole if kind == "function" else now.start
    return Piece(kind=kind, start=start, end=end, body=now.body, conditions=conditions)


def _is_body(words: list[str]) -> bool:
    """Return True if the "{" at the end of these words begins the body of a function."""
    before = words[:-1]
    if "=" in before or ")" not in before:
        return False
    # struct x { ... } and struct __attribute__((packed)) { ... }; a function may return one.
    tag = max((n for n, word in enumerate(before) if word in _TAGS), default=None)
    if tag is None:
        return True
    behind = [w for w in before[tag + 1 :] if w.isidentifier() and not _is_attribute(w)]
    return before[-1] == ")" and len(behind) > 1 and "typedef" not in before


def _is_attribute(word: str) -> bool:
    return word == "__attribute__" or any(map(ATTRIBUTES.fullmatch, (word, f"{word}(x)")))


def _directive(token: str) -> tuple[str, str]:
    found = _DIRECTIVE.match(token)
    if found is None:
        return "", ""
    rest = re.sub(r"/\*.*?\*/|//[^\n]*|\\\n", " ", found["rest"], flags=re.DOTALL)
    return found["word"], " ".join(rest.split())


def _condition(
    branches: list[_Branch], word: str, rest: str, deep: tuple[int, int]
) -> tuple[int, int]:
    """Return the branches after that directive, and how deep in brackets what follows is.

    Each branch begins as deep as the first; what follows all of them as deep as the first ended.
    """
    own = (
        f"defined({rest})" if word == "ifdef" else f"!defined({rest})" if word == "ifndef" else rest
    )
    match word:
        case "if" | "ifdef" | "ifndef":
            branches.append(_Branch(text=f"#if {own}", before=[own], at=deep))
        case "elif" | "else" if branches:
            branch = branches[-1]
            terms = [f"!({term})" for term in branch.before] + ([own] if word == "elif" else [])
            branch.text = f"#if {' && '.join(terms)}"
            branch.before += [own] if word == "elif" else []
            return branch.at
        case "endif" if branches:
            branches.pop()
    return deep


def conditions_at(text: str, place: int) -> tuple[str, ...]:
    """Return the branches around an offset, outermost first."""
    branches: list[_Branch] = []
    for kind, at, token in tokens(text):
        if at >= place:
            break
        word, rest = _directive(token) if kind == "directive" else ("", "")
        if word in _BRANCHES:
            _condition(branches, word, rest, (0, 0))
    return tuple(branch.text for branch in branches)


def safe_lines(text: str) -> frozenset[int]:
    """Numbers of the lines before which a #line may stand: outside of brackets, comments, strings
    and directives."""
    safe = {1}
    brackets, number, spliced = 0, 1, False
    for kind, _, token in tokens(text):
        lines = token.count("\n")
        if kind == "sign":
            brackets += token in "(["
            brackets -= token in ")]"
        if lines:
            if kind == "blank" and brackets <= 0:
                safe.update(range(number + (2 if spliced else 1), number + lines + 1))
            number += lines
        spliced = token == "\\"
    return frozenset(safe)
