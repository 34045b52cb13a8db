# SPDX-License-Identifier: MIT
"""provenance.json of a bundle: an in-toto statement with a predicate of SLSA v1.

https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1. All values are strings, because
readers that parse JSON numbers as floating point would round large ones. The statement contains no
time, so the same build gives the same bytes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lppack import __version__

if TYPE_CHECKING:
    from lppack.model import Plan

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "urn:lppack:build:v1"


def statement(
    plan: "Plan",
    subjects: Mapping[str, bytes],
    facts: Mapping[str, str],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the statement.

    ``subjects``: the files that were built. ``facts``: checked facts about the build. ``options``:
    the options of the command.
    """
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
            for name, data in sorted(subjects.items())
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD,
                "externalParameters": {
                    "patch": plan.name,
                    "version": str(plan.version),
                    "kernel": plan.kernel.release,
                    "options": _texts(options),
                },
                "internalParameters": dict(facts),
                "resolvedDependencies": _dependencies(plan, facts),
            },
            "runDetails": {
                "builder": {
                    "id": f"urn:lppack:builder:{facts.get('builder', 'unknown')}",
                    "version": {"lppack": __version__},
                }
            },
        },
    }


def _texts(options: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return the options that differ from their defaults, as strings."""
    return {
        name: list(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in sorted(options.items())
        if value not in (None, False, (), "auto")
    }


def _dependencies(plan: "Plan", facts: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    kernel = plan.kernel
    found: list[Mapping[str, Any]] = []
    if kernel.image.is_file():
        digest = hashlib.sha256(kernel.image.read_bytes()).hexdigest()
        uri = f"pkg:deb/debian/linux-image-{kernel.release}"
        found.append(
            {
                "name": "kernel",
                "uri": f"{uri}@{kernel.package}" if kernel.package else uri,
                "digest": {"sha256": digest},
            }
        )
    if "image_id" in facts:
        digest = facts["image_id"].removeprefix("sha256:")
        found.append({"name": facts.get("image", "image"), "digest": {"sha256": digest}})
    return found


def facts_of(value: Any) -> dict[str, str]:
    """Return the facts about the build in a statement. Raise KeyError, TypeError, ValueError."""
    if value["_type"] != STATEMENT or value["predicateType"] != PREDICATE:
        raise ValueError("provenance.json is not SLSA v1 provenance")
    predicate = value["predicate"]
    facts = predicate["buildDefinition"]["internalParameters"]
    version = predicate["runDetails"]["builder"]["version"]["lppack"]
    return {name: str(text) for name, text in {"lppack": version, **facts}.items()}


def options_of(value: Any) -> dict[str, Any]:
    """Return the options of the command that a statement records."""
    options = value["predicate"]["buildDefinition"]["externalParameters"]["options"]
    if not isinstance(options, dict):
        raise ValueError("the options in provenance.json are none")
    return {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}


def subjects_of(value: Any) -> dict[str, str]:
    """Return the files that a statement is about, with their digests."""
    return {str(one["name"]): str(one["digest"]["sha256"]) for one in value["subject"]}
