# SPDX-License-Identifier: MIT
"""The schema's errors as problems, each with its place."""

import datetime
import functools
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from lppack.document import Document, Pointer
from lppack.errors import Problem
from lppack.resources import schema
from lppack.rules.fits import END, fits, inlined, is_number, is_whole, misfits
from lppack.rules.runner import nearest

_NAMES = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def shape_problems(
    document: Document, described: str = "manifest-v1", whole: str = "the manifest"
) -> Iterator[Problem]:
    """Yield a problem for every place where a file does not fit ``schemas/DESCRIBED.json``.

    ``whole``: the name of the whole file in messages.
    """
    if fits(document.data, _whole(described)):
        return
    for error in _errors(document.data, described):
        yield from _explain(document, tuple(error.absolute_path), error, whole)


def _errors(data: Any, described: str) -> Iterable[Any]:
    try:
        found: Iterable[Any] = _validator(described).iter_errors(data)
        return found
    except ModuleNotFoundError:
        return misfits(data, _whole(described))


@functools.cache
def _whole(described: str = "manifest-v1") -> dict[str, Any]:
    """Return the schema with its references resolved."""
    found = schema(described)
    whole: dict[str, Any] = inlined(found, found.get("$defs", {}))
    return whole


@functools.cache
def _validator(described: str = "manifest-v1") -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: is_whole(value),
            "number": lambda _, value: is_number(value),
        }
    )
    made = extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    return made(_whole(described))


def _explain(document: Document, pointer: Pointer, error: Any, whole: str) -> Iterator[Problem]:
    value, wanted = error.instance, error.validator_value
    name = _shown(pointer) or whole
    match error.validator:
        case "additionalProperties":
            known = list(error.schema.get("properties", ()))
            forms = error.schema.get("patternProperties", ())
            unknown = (key for key in value if key not in known)
            for key in (k for k in unknown if not any(re.search(form, k) for form in forms)):
                yield document.problem(
                    (*pointer, key),
                    "unknown-key",
                    f'"{_clip(key)}" is not a key of {name}',
                    hint=_did_you_mean(key, known) if known else None,
                    key=True,
                )
        case "required":
            for key in (key for key in wanted if key not in value):
                if error.message.startswith(repr(key)):
                    yield document.problem(
                        pointer,
                        "missing-key",
                        f'{name} has no "{key}"',
                        hint=_example(key, error.schema.get("properties", {}).get(key, {})),
                    )
        case "type":
            yield document.problem(
                pointer,
                "type",
                f"{name} must be {_wanted(wanted)}, but is {_is(value)}",
                hint=_unquoted(value, wanted),
            )
        case "enum":
            yield document.problem(
                pointer,
                "choice",
                f'{name}: "{_clip(value)}" is not one of {", ".join(map(str, wanted))}',
                hint=_did_you_mean(str(value), [str(word) for word in wanted]),
            )
        case "const":
            yield document.problem(pointer, "choice", f"{name} must be {wanted}")
        case "pattern":
            words = error.schema.get("x-words")
            yield document.problem(
                pointer,
                "pattern",
                f'{name}: "{_clip(value)}" does not fit {wanted.replace(END, "$")}',
                hint=words,
            )
        case "minItems" | "minLength" | "minProperties":
            yield document.problem(pointer, "empty", f"{name} is empty")
        case "uniqueItems":
            yield document.problem(pointer, "twice", f"{name} contains the same item twice")
        case "maxLength":
            yield document.problem(
                pointer, "too-long", f"{name} is longer than {wanted} characters"
            )
        case _:
            yield document.problem(pointer, "range", f"{name}: {_clip(error.message)}")


def _example(key: str, part: dict[str, Any]) -> str | None:
    """Return a hint for the value of a key: its choices, or an example."""
    forms = (part, *part.get("anyOf", ()))
    choices = next((form["enum"] for form in forms if "enum" in form), ())
    if choices:
        return f"one of: {', '.join(map(str, choices))}"
    examples = [part["const"]] if "const" in part else part.get("examples", ())
    return f"like {key}: {json.dumps(examples[0])}" if examples else None


def _shown(pointer: Pointer) -> str:
    """Return a pointer as ``objects[0].functions[1].old``; an empty text for the whole file."""
    text = ""
    for step in pointer:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _wanted(types: str | list[str]) -> str:
    return " or ".join(_TYPES[name] for name in ([types] if isinstance(types, str) else types))


def _clip(value: Any) -> str:
    text = ascii(value)[1:-1] if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime.date, datetime.datetime)):
        return "a date"
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    return _NAMES.get(type(value), type(value).__name__)


def _unquoted(value: Any, wanted: Any) -> str | None:
    if wanted != "string":
        return None
    if isinstance(value, bool):
        return 'YAML reads on, off, yes and no as true or false: put the word in quotes, like "off"'
    if isinstance(value, (int, float, datetime.date)):
        return "put it in quotes to make it text"
    return None


def _did_you_mean(word: str, known: list[str]) -> str:
    close = nearest(word, known)
    return f'did you mean "{close}"?' if close else f"one of: {', '.join(known)}"
