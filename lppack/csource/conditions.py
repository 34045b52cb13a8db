# SPDX-License-Identifier: MIT
"""Which branches of #if a kernel's configuration decides."""

import re
from collections.abc import Callable

#: Whether a name is defined: True, False, or None if not known.
Known = Callable[[str], bool | None]

_TOKEN = re.compile(
    r"\s*(?:(?P<call>IS_ENABLED|IS_BUILTIN|IS_MODULE|IS_REACHABLE|defined)\s*\(\s*(?P<in>\w+)\s*\)"
    r"|defined\s+(?P<bare>\w+)|(?P<sign>&&|\|\||!(?!=)|\(|\))|(?P<number>[01])(?!\w))"
)


def decided(condition: str, known: Known) -> bool | None:
    """Return whether ``condition`` holds; None if only the compiler knows."""
    tokens: list[str | bool | None] = []
    at, text = 0, condition.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        at = match.end()
        if name := match["in"] or match["bare"]:
            tokens.append(_value(match["call"] or "defined", name, known))
        elif match["number"]:
            tokens.append(match["number"] == "1")
        else:
            tokens.append(match["sign"])
    value, rest = _either(tokens)
    return value if not rest else None


def _value(call: str, name: str, known: Known) -> bool | None:
    built_in, module = known(name), known(f"{name}_MODULE")
    match call:
        case "IS_ENABLED" | "IS_REACHABLE":
            if call == "IS_REACHABLE" and module and not built_in:
                return None  # include/linux/kconfig.h (v6.1): of code in a module, and only there
            return True if built_in or module else built_in if module is not None else None
        case "IS_MODULE":
            return module
    return built_in


_Tokens = list[str | bool | None]


def _either(tokens: _Tokens) -> tuple[bool | None, _Tokens]:
    value, rest = _both(tokens)
    while rest[:1] == ["||"]:
        other, rest = _both(rest[1:])
        value = True if value or other else None if None in (value, other) else False
    return value, rest


def _both(tokens: _Tokens) -> tuple[bool | None, _Tokens]:
    value, rest = _one(tokens)
    while rest[:1] == ["&&"]:
        other, rest = _one(rest[1:])
        value = False if False in (value, other) else None if None in (value, other) else True
    return value, rest


def _one(tokens: _Tokens) -> tuple[bool | None, _Tokens]:
    if not tokens:
        return None, ["?"]
    first, rest = tokens[0], tokens[1:]
    if first == "!":
        value, rest = _one(rest)
        return None if value is None else not value, rest
    if first == "(":
        value, rest = _either(rest)
        return (value, rest[1:]) if rest[:1] == [")"] else (None, ["?"])
    return (None, ["?", *rest]) if isinstance(first, str) else (first, rest)
