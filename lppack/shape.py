# SPDX-License-Identifier: MIT
"""Whether JSON of a host has the types that its reader relies on: a host may say anything."""

from typing import Any


def fits(value: Any, shape: Any) -> bool:
    """``shape``: a type; ``[shape]``: a list of it; a dict: of its keys those that are there."""
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(each, shape[0]) for each in value)
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            fits(value[key], of) for key, of in shape.items() if key in value
        )
    return isinstance(value, shape)
