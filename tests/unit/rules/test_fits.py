# SPDX-License-Identifier: MIT
"""The quick check says yes only where jsonschema finds nothing."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lppack.document import Pointer
from lppack.resources import schema
from lppack.rules.fits import fits
from lppack.rules.shape import _validator, _whole
from lppack.stages.load import load
from tests.kit.command import EXAMPLES, ROOT
from tests.kit.samples import full
from tests.unit.rules.odd import _PLACES, _VALUES, ODD, _places, _put

MANIFESTS = sorted([*EXAMPLES.rglob("manifest.yaml"), *ROOT.glob("tests/cases/**/manifest.yaml")])


def agrees(data: object) -> None:
    """jsonschema, asked of the same: whatever the quick check takes, it must take."""
    assert fits(data, _whole()) == (not list(_validator().iter_errors(data)))


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda path: path.parent.name)
def test_what_is_right_fits(file: Path) -> None:
    assert fits(load(file).data, _whole())


@pytest.mark.parametrize("pointer", list(_places(full())), ids=lambda p: ".".join(map(str, p)))
def test_both_agree_on_odd_values_at_every_place(pointer: Pointer) -> None:
    for value in ODD:
        agrees(_put(full(), pointer, value))


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(changes=st.lists(st.tuples(_PLACES, _VALUES), min_size=1, max_size=3))
def test_a_yes_is_never_wrong(changes: list[tuple[Pointer, object]]) -> None:
    data: Any = full()
    for pointer, value in changes:
        data = _put(data, pointer, value)
    if fits(data, _whole()):
        assert not list(_validator().iter_errors(data))


def test_every_keyword_of_the_schema_is_known() -> None:
    """With a value for every key, each part is visited; an unknown keyword is a KeyError."""
    values: tuple[object, ...] = (None, {}, [], "", 0)

    def check(part: dict[str, Any]) -> None:
        for value in values:
            fits(value, part)
        named = {**part.get("properties", {}), **part.get("patternProperties", {})}
        for below in (*named.values(), *part.get("anyOf", ()), *filter(None, [part.get("items")])):
            check(below)

    check(_whole())
    assert "$ref" in str(schema("manifest-v1"))
    assert "$ref" not in str(_whole()["properties"])


def test_an_unknown_keyword_is_no_yes() -> None:
    changed = copy.deepcopy(_whole()) | {"maxProperties": 1}
    with pytest.raises(KeyError):
        fits(full(), changed)


def _forms(part: Any) -> list[str]:
    if isinstance(part, list):
        return [form for item in part for form in _forms(item)]
    if not isinstance(part, dict):
        return []
    own = [value for key, value in part.items() if key == "pattern" and isinstance(value, str)]
    own += part["patternProperties"] if isinstance(part.get("patternProperties"), dict) else []
    return own + [form for below in part.values() for form in _forms(below)]


@pytest.mark.parametrize("name", ["manifest-v1", "agent-v1", "index-v1"])
def test_no_pattern_takes_a_newline_at_the_end(name: str) -> None:
    """As `name: |` of YAML leaves one, which would reach file names and C."""
    forms = _forms(_whole(name))
    assert len(forms) > 2
    assert [form for form in forms if "$" in form] == [], "the end is written otherwise here"
    written = [form for form in _forms(schema(name)) if form.endswith("$")]
    assert len(written) > 2, "and as every reader of a schema knows it there"


@pytest.mark.parametrize("key", ["name", "kernel_headers"])
def test_a_newline_at_the_end_is_named(key: str) -> None:
    data = full(name="conn-limit\n") if key == "name" else full(kernel_headers=["net/ipv4\n"])
    assert not fits(data, _whole())
    agrees(data)
