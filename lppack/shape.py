# SPDX-License-Identifier: MIT
"""Read text and JSON that lppack did not write on this machine: hosts and files are not trusted."""

import json
import math
import re
from typing import Any

_DEPTH_MAX = 32
#: Control characters of terminals, except line ends and tabs; what reverses the direction of text
#: or ends a line; halves of a surrogate pair, which cannot be printed.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return ``text`` without what a terminal could take for a command; it keeps its length."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def read_json(text: str | bytes, *, clean: bool = True) -> Any:
    """Return the value of foreign JSON. Raise ValueError.

    Refuse deep nesting, numbers of more than 64 bits, and numbers that JSON does not have. Make
    each text printable(), unless ``clean`` is false: the caller then refuses what is not.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return _bounded(value, clean, _DEPTH_MAX)


def _bounded(value: Any, clean: bool, depth: int) -> Any:
    if isinstance(value, str):
        return printable(value) if clean else value
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise ValueError("has a number of more than 64 bits")
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("has a number that is not finite")
    if not isinstance(value, (dict, list)):
        return value
    if not depth:
        raise ValueError("is nested too deeply")
    if isinstance(value, list):
        return [_bounded(each, clean, depth - 1) for each in value]
    return {
        printable(key) if clean else key: _bounded(each, clean, depth - 1)
        for key, each in value.items()
    }


def fits(value: Any, shape: Any) -> bool:
    """Return True if ``value`` fits ``shape``.

    A shape is a type, a list of one shape (a list of any length), or a dict of the keys that may be
    there and their shapes.
    """
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(each, shape[0]) for each in value)
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            fits(value[key], of) for key, of in shape.items() if key in value
        )
    return isinstance(value, shape)
