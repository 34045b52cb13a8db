# SPDX-License-Identifier: MIT
"""The required form of plan.json in a bundle."""

from typing import Any

from lppack.resources import schema
from lppack.rules.fits import fits, inlined


def wrong_part(plan: Any) -> str | None:
    """Return a description of the first wrong key; None if all keys are valid."""
    whole = inlined(_schema(), schema("manifest-v1")["$defs"])
    if fits(plan, whole):
        return None
    known = whole["properties"].items() if isinstance(plan, dict) else ()
    wrong = [key for key, part in known if key in plan and not fits(plan[key], part)]
    lacks = [key for key in whole["required"] if isinstance(plan, dict) and key not in plan]
    return (
        f"it lacks {lacks[0]}"
        if lacks
        else f"{wrong[0]} is none"
        if wrong
        else "it is not an object"
    )


def _schema() -> dict[str, Any]:
    """Return the schema of plan.json; parts that come from the manifest use the manifest's
    schema."""
    manifest = schema("manifest-v1")
    part, text = manifest["properties"], {"type": "string", "pattern": "^[ -~]*$"}
    maybe = text | {"type": ["string", "null"]}
    fix = {"cve": maybe, "commit": maybe, "functions": {"type": "array", "items": text}}
    return {
        "type": "object",
        "required": [
            "name",
            "version",
            "module",
            "release",
            "kernel",
            "converts",
            "replaces",
            "fixes",
            "test",
            "functions",
        ],
        "properties": {
            "name": part["name"],
            "version": part["version"],
            "module": {"type": "string", "pattern": "^lppack_[a-z0-9_]{1,55}$"},
            "release": text,
            "kernel": text,
            "converts": {"type": "boolean"},
            "world": {"type": "boolean"},
            "irreversible": {"type": "boolean"},
            "replaces": part["replaces"] | {"minItems": 0},
            "fixes": {"type": "array", "items": {"type": "object", "properties": fix}},
            "test": part["test"],
            "functions": {
                "type": "array",
                "items": {"type": "array", "items": text, "minItems": 2, "maxItems": 2},
            },
        },
    }
