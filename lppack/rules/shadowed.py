# SPDX-License-Identifier: MIT
"""Rule of names in the sources that conflict with a module's variable."""

from collections.abc import Collection, Iterator, Sequence

from lppack.csource.tokens import Token
from lppack.document import Document
from lppack.rules.registry import MANIFEST, rule
from lppack.rules.runner import Fault, safe
from lppack.rules.source import at, with_code
from lppack.rules.symbols import called_names, listed_symbols

#: Words that may precede another name in an expression or a jump.
_NO_TYPES = frozenset(
    ("return", "goto", "case", "else", "do", "sizeof", "typeof", "__typeof__", "_Alignof")
)
_ENDS = frozenset((";", "{", "}"))


@rule(needs=MANIFEST)
def name_of_a_modules_variable_is_its_own(document: Document) -> Iterator[Fault]:
    """No local variable, parameter or member has the name of a module variable that `symbols`
    lists.

    In the sources, lppack defines the name of such a variable as a macro for a pointer access. A
    local name would become an uninitialized pointer, and a write would go to a random address. The
    compiler only warns that it is uninitialized.
    """
    called = called_names(document)
    homes = {
        listed.c_name: listed.home
        for listed in listed_symbols(document)
        if listed.home != "vmlinux" and listed.c_name not in called
    }
    code = with_code(document)
    for file in (*code.sources, *code.headers) if homes else ():
        for token, what in declared(file.tokens, homes):
            yield at(
                file,
                token,
                f'"{token.text}" is the variable of {safe(homes[token.text])} that `symbols` lists,'
                f" and {what} of that name would be an uninitialized pointer",
                "rename it; or give the module's variable another name, with `as`",
            )


def declared(tokens: Sequence[Token], names: Collection[str]) -> Iterator[tuple[Token, str]]:
    """Yield where one of ``names`` is declared as a member, a parameter or a local variable."""
    braces = parens = 0
    for index, token in enumerate(tokens):
        braces += (token.text == "{") - (token.text == "}")
        parens += (token.text == "(") - (token.text == ")")
        if token.kind != "name" or token.text not in names:
            continue
        if index and tokens[index - 1].text in (".", "->"):
            yield token, "a member"
        elif braces:
            if _is_declared(tokens, index):
                yield token, "a local variable or a member"
        elif parens and _follows_a_type(tokens, index, ("(", ",")):
            yield token, "a parameter"


def _is_declared(tokens: Sequence[Token], index: int) -> bool:
    """Return True if the token declares a local name; an extern declaration does not."""
    statement = _statement(tokens, index)
    if any(token.text == "extern" for token in statement):
        return False
    if _follows_a_type(tokens, index, (";", "{", "}")):
        return True
    last = len(statement) - 1
    while last >= 0 and statement[last].text == "*":
        last -= 1
    # A further declarator: `int a = 1, b`
    comma = last > 1 and statement[last].text == ","
    depth = sum((t.text in "([") - (t.text in ")]") for t in statement)
    return comma and depth == 0 and _begins_a_declaration(statement)


def _statement(tokens: Sequence[Token], index: int) -> Sequence[Token]:
    start = index
    while start and tokens[start - 1].text not in _ENDS:
        start -= 1
    return tokens[start:index]


def _follows_a_type(tokens: Sequence[Token], index: int, start: Collection[str]) -> bool:
    """Return True for `u32 NAME` or `struct x *NAME` after one of ``start``, but not for `a *
    NAME`."""
    before = index - 1
    while before >= 0 and tokens[before].text == "*":
        before -= 1
    if before < 0 or tokens[before].kind != "name" or tokens[before].text in _NO_TYPES:
        return False
    if before == index - 1:
        return True
    while before >= 0 and tokens[before].kind == "name":
        if tokens[before].text in _NO_TYPES:
            return False
        before -= 1
    return before < 0 or tokens[before].text in start


def _begins_a_declaration(statement: Sequence[Token]) -> bool:
    first, rest = statement[0], statement[1:]
    if first.kind != "name" or first.text in _NO_TYPES:
        return False
    after = next((token for token in rest if token.text != "*"), None)
    return after is not None and after.kind == "name"
