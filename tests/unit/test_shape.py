# SPDX-License-Identifier: MIT
"""Foreign JSON: what of it is read, and whether it has the types that its reader relies on."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from lppack.shape import fits, printable, read_json

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


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "\x00", b"\xff", "NaN", "Infinity", "1e999", "[-1e999]"),
        *("[" * 200_000, "[" * 33 + "]" * 33, '{"a":' * 33 + "1" + "}" * 33),
        *('{"code": 1' + "0" * 400 + "}", "1" + "0" * 5000, "18446744073709551616"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_json_without_bounds_is_a_value_error(text: str | bytes) -> None:
    for clean in (True, False):
        with pytest.raises(ValueError):
            read_json(text, clean=clean)


def test_json_within_bounds_is_read() -> None:
    value: Any = {"a": [1, -5, 2**64 - 1, 0.5, None, True, "\u00e4\n\t", {"b": {}}]}
    assert read_json(json.dumps(value)) == value
    assert read_json("[" * 32 + "]" * 32)


def test_no_text_of_foreign_json_moves_a_terminals_cursor() -> None:
    text = r'{"a\u001b[2J": ["\u009b2J", "\r", "\u202e", "\ud800", "\u007f"]}'
    assert read_json(text) == {"a\ufffd[2J": ["\ufffd2J", "\ufffd", "\ufffd", "\ufffd", "\ufffd"]}
    assert read_json(text, clean=False) == json.loads(text)
    assert printable("a\tb\nc \u00e9") == "a\tb\nc \u00e9"


#: Files that lppack itself writes on this machine, where only its user may write.
OWN = {
    *("build.py", "doctor.py", "guests.py", "kernels.py", "qemu.py", "resources.py"),
    *("shape.py", "simulated.py", "store.py", "tree.py"),
}


def test_all_foreign_json_goes_through_one_reader() -> None:
    root = Path(fits.__code__.co_filename).parent
    users = {
        file.name
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("json.loads", "json.load")
    }
    assert users == OWN
