# SPDX-License-Identifier: MIT
"""Reads C string literals back, as a compiler would."""

import re

_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_SIMPLE = {'"': b'"', "\\": b"\\", "?": b"?", "n": b"\n", "t": b"\t"}
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def unescape(literal: str) -> str:
    """The text of one literal; ValueError if it is not one."""
    if not LITERAL.fullmatch(literal):
        raise ValueError(f"not one C string literal: {literal}")
    out, rest = b"", literal[1:-1]
    while rest:
        found = _ESCAPE.match(rest)
        if not found:
            out, rest = out + rest[0].encode(), rest[1:]
            continue
        octal, simple = found.groups()
        out += bytes([int(octal, 8)]) if octal else _SIMPLE[simple]
        rest = rest[found.end() :]
    return out.decode()


def string_after(text: str, start: str) -> str:
    """The text of the first literal behind ``start``."""
    found = LITERAL.search(text, text.index(start) + len(start))
    assert found, start
    return unescape(found[0])
