# SPDX-License-Identifier: MIT
"""Check that JSON from a host has the types that its reader expects: hosts are not trusted."""

from typing import Any


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
