# SPDX-License-Identifier: MIT
"""Whether JSON of a host has the types that its reader relies on."""

from typing import Any

import pytest

from lppack.shape import fits

RECORD = {"id": str, "code": int | None, "steps": [{"step": str}]}


@pytest.mark.parametrize(
    ("value", "shape", "fit"),
    [
        ("x", str, True),
        (1, str, False),
        (None, str | None, True),
        ([], [str], True),
        (["a", "b"], [str], True),
        (["a", 1], [str], False),
        ("ab", [str], False),  # it can be iterated, and is no list
        ({}, RECORD, True),  # of its keys those that are there
        ({"id": "x", "code": None, "steps": [{}, {"step": "a"}], "more": 1}, RECORD, True),
        ({"id": None}, RECORD, False),
        ({"code": "1"}, RECORD, False),
        ({"steps": {}}, RECORD, False),
        ({"steps": [{"step": 1}]}, RECORD, False),
        ({"steps": [[]]}, RECORD, False),
        ([], RECORD, False),
        (None, RECORD, False),
    ],
)
def test_what_fits(value: Any, shape: Any, fit: bool) -> None:
    assert fits(value, shape) is fit
