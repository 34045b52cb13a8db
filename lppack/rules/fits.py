# SPDX-License-Identifier: MIT
"""A fast check that a value fits a schema.

jsonschema explains why a value does not fit, but is slow to import. fits() knows only the keywords
that lppack's schemas use, and returns False if in doubt. misfits() replaces jsonschema on hosts,
where it is not installed.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

#: Regular expression for the end of a text; ``$`` also matches before a final newline.
END = r"\Z"


def is_whole(value: object) -> bool:
    """Return True for an integer. JSON schema also accepts 1.0 as an integer; a manifest does
    not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Return True for a finite number. JSON schema accepts nan for every bound."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """Return ``part`` with its references resolved: looking them up costs a third of a validation.

    In patterns, ``$`` becomes the end of the text, as in ECMA 262: Python's ``$`` would accept
    "name\\n".
    """
    if isinstance(part, list):
        return [inlined(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    named = part.get("$ref")
    if isinstance(named, str):
        rest = {key: value for key, value in part.items() if key != "$ref"}
        part = definitions[named.removeprefix("#/$defs/")] | rest
    whole = {key: inlined(value, definitions) for key, value in part.items()}
    if isinstance(form := whole.get("pattern"), str):
        whole["pattern"] = _ended(form)
    if isinstance(forms := whole.get("patternProperties"), dict):
        whole["patternProperties"] = {_ended(form): below for form, below in forms.items()}
    return whole


def _ended(form: str) -> str:
    return f"{form[:-1]}{END}" if form.endswith("$") else form


def fits(value: Any, part: dict[str, Any]) -> bool:
    """Return True only if ``value`` fits ``part``, a schema without references.

    Raise KeyError for an unknown keyword.
    """
    return all(
        _KEYWORDS[keyword](value, wanted, part)
        for keyword, wanted in part.items()
        if keyword not in _NOTES
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """The fields of jsonschema's ValidationError that lppack uses, with the same names."""

    absolute_path: tuple[str | int, ...]
    instance: Any
    validator: str  # the keyword
    validator_value: Any
    schema: dict[str, Any]
    message: str


def misfits(value: Any, part: dict[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[Misfit]:
    """Yield every place, at any depth, where ``value`` does not fit ``part``."""
    for keyword, wanted in part.items():
        if keyword in _NOTES or _KEYWORDS[keyword](value, wanted, part):
            continue
        if keyword == "properties":
            for key in wanted.keys() & value.keys():
                yield from misfits(value[key], wanted[key], (*path, key))
        elif keyword == "patternProperties":
            for form, below in wanted.items():
                for key in (key for key in value if re.search(form, key)):
                    yield from misfits(value[key], below, (*path, key))
        elif keyword == "items":
            for index, item in enumerate(value):
                yield from misfits(item, wanted, (*path, index))
        else:
            lacking = [k for k in wanted if k not in value] if keyword == "required" else [None]
            for key in lacking:
                yield Misfit(
                    absolute_path=path,
                    instance=value,
                    validator=keyword,
                    validator_value=wanted,
                    schema=part,
                    message=f"{value!r} breaks {keyword}: {wanted}" if key is None else repr(key),
                )


_NOTES = frozenset(
    ("$schema", "$comment", "$defs", "title", "description", "examples", "default", "x-words")
)
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": is_whole,
    "number": is_number,
}


def _type(value: Any, wanted: str | list[str], _part: dict[str, Any]) -> bool:
    return any(_TYPES[name](value) for name in ([wanted] if isinstance(wanted, str) else wanted))


def _properties(value: Any, wanted: dict[str, Any], _part: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or all(
        fits(value[key], below) for key, below in wanted.items() if key in value
    )


def _pattern_properties(value: Any, wanted: dict[str, Any], _part: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or all(
        fits(item, below)
        for form, below in wanted.items()
        for key, item in value.items()
        if re.search(form, key)
    )


def _additional(value: Any, wanted: Any, part: dict[str, Any]) -> bool:
    assert wanted is False  # the only other value in lppack's schemas
    forms = part.get("patternProperties", ())
    return not isinstance(value, dict) or all(
        key in part.get("properties", ()) or any(re.search(form, key) for form in forms)
        for key in value
    )


def _items(value: Any, wanted: dict[str, Any], _part: dict[str, Any]) -> bool:
    return not isinstance(value, list) or all(fits(item, wanted) for item in value)


def _unique(value: Any, _wanted: bool, _part: dict[str, Any]) -> bool:
    return not isinstance(value, list) or not any(
        item in value[:index] for index, item in enumerate(value)
    )


def _pattern(value: Any, wanted: str, _part: dict[str, Any]) -> bool:
    return not isinstance(value, str) or re.search(wanted, value) is not None


def _same(value: Any, wanted: Any) -> bool:
    return type(value) is type(wanted) and bool(value == wanted)


def _longer(kind: type, least: bool) -> Callable[[Any, int, dict[str, Any]], bool]:
    def check(value: Any, wanted: int, _part: dict[str, Any]) -> bool:
        if not isinstance(value, kind):
            return True
        return len(value) >= wanted if least else len(value) <= wanted  # type: ignore[arg-type]

    return check


def _bound(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, dict[str, Any]], bool]:
    return lambda value, wanted, _part: not isinstance(value, (int, float)) or holds(value, wanted)


_KEYWORDS: dict[str, Callable[[Any, Any, dict[str, Any]], bool]] = {
    "type": _type,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "required": lambda value, wanted, _: not isinstance(value, dict) or value.keys() >= {*wanted},
    "items": _items,
    "uniqueItems": _unique,
    "minItems": _longer(list, least=True),
    "maxItems": _longer(list, least=False),
    "minLength": _longer(str, least=True),
    "maxLength": _longer(str, least=False),
    "minProperties": _longer(dict, least=True),
    "minimum": _bound(lambda value, wanted: value >= wanted),
    "maximum": _bound(lambda value, wanted: value <= wanted),
    "exclusiveMinimum": _bound(lambda value, wanted: value > wanted),
    "pattern": lambda value, wanted, _: (
        not isinstance(value, str) or bool(re.search(wanted, value))
    ),
    "enum": lambda value, wanted, _: any(_same(value, one) for one in wanted),
    "const": lambda value, wanted, _: _same(value, wanted),
    "anyOf": lambda value, wanted, _: any(fits(value, below) for below in wanted),
}
