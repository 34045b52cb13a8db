# SPDX-License-Identifier: MIT
"""The manifest of a draft."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lppack.drafting.advice import Advice, ChangedLayout
from lppack.drafting.edit import Edit
from lppack.drafting.places import Target
from lppack.names import MANIFEST

#: The file with the change that a draft follows.
CHANGE = "change.diff"
README = "README.md"
#: Files that every draft has, beside its C.
ALWAYS = frozenset((CHANGE, MANIFEST, README))
_TO_FILL_IN = "struct to_fill_in"


def manifest_of(
    edit: Edit,
    release: str,
    name: str,
    found: Sequence[Target],
    symbols: Mapping[str, Mapping[str, Mapping[str, Any]]],
    advice: Advice,
    sources: Sequence[str],
    headers: Sequence[str],
    changed: Sequence[str],
    main: str,
) -> dict[str, Any]:
    """Return the manifest, with one entry for each object.

    ``symbols``: object, name in C, and how it is found; ``main``: the object of changed data.
    """
    names = [target.object for target in found] or [main]
    names += [object_ for object_, own in symbols.items() if own]
    entries = [
        _object(object_, found, symbols.get(object_, {})) for object_ in dict.fromkeys(names)
    ]
    if advice.data or advice.counters:
        entries[0]["hooks"] = {"pre_patch": "lp_pre_patch", "post_unpatch": "lp_post_unpatch"}
    fix: dict[str, Any] = {}
    if edit.cve:
        fix["cve"] = edit.cve
    if edit.commit:
        fix["commit"] = edit.commit
    if changed:
        fix["functions"] = list(changed)
    follows: dict[str, Any] = {"follows": CHANGE} if edit.text else {}
    if edit.text and fix:
        follows = {"fixes": [fix], **follows}
    made: dict[str, Any] = {
        "lppack": 1,
        "name": name,
        "version": 1,
        "description": edit.subject.rstrip(".")[:200],
        "license": "GPL-2.0-only",
        "author": edit.author or "The author of this patch",
        **follows,
        "kernels": [release],
        "needs": _needs(advice),
        "sources": list(sources),
    }
    if headers:
        made["kernel_headers"] = list(headers)
    made["objects"] = entries
    made |= _data(advice, main)
    return made


def _object(
    object_: str, found: Sequence[Target], symbols: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": object_}
    functions = []
    for target in found:
        if target.object != object_:
            continue
        one: dict[str, Any] = {"old": target.name, "new": target.replacement}
        if target.sympos:
            one["sympos"] = target.sympos
        functions.append(one)
    if functions:
        entry["functions"] = functions
    if symbols:
        entry["symbols"] = [
            {"name": name, **how} if how else name for name, how in sorted(symbols.items())
        ]
    return entry


def _needs(advice: Advice) -> list[str]:
    if advice.world:
        return ["LEAVE_PATCHED_SET", "SWITCH_KERNEL", "TRANSFORM_WORLD"]
    needs = ["LEAVE_PATCHED_SET", "SWITCH_THREAD"]
    return [*needs, "TRANSFORM_ON_ACCESS"] if advice.layouts else needs


def _data(advice: Advice, object_: str) -> dict[str, Any]:
    """Transform, and shadow variables where nothing that lives changes in its place."""
    if advice.world:
        living = [layout for layout in advice.layouts if layout.size is not None]
        return {"transforms": [_transform(x, object_, _WORLD) for x in living]}
    if not advice.layouts:
        return {}
    return {
        "transforms": [_transform(x, object_, _ACCESS) for x in advice.layouts],
        "shadow_variables": [
            {
                "name": f"{x.name}_ext" if x.size is not None else x.name,
                "version": 1,
                "type": f"struct {x.name}_ext" if x.size is not None else x.type,
                "attached_to": _living(x),
                "transform": x.name,
            }
            for x in advice.layouts
        ],
    }


#: Keys of each kind of transform; {0} is its name.
_ACCESS: Mapping[str, Any] = {
    "lock": {"take": "lp_{0}_lock", "release": "lp_{0}_unlock"},
    "context": "process",
}
_WORLD: Mapping[str, Any] = {"for_each": "lp_{0}_each", "max_stop_ms": 100}


def _living(layout: ChangedLayout) -> str:
    """Return what is new is attached to a type that only a person can name."""
    return layout.type if layout.size is not None else _TO_FILL_IN


def _transform(layout: ChangedLayout, object_: str, kind: Mapping[str, Any]) -> dict[str, Any]:
    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(one) for key, one in value.items()}
        return value.format(layout.name) if isinstance(value, str) else value

    return {
        "name": layout.name,
        "object": object_,
        "type": _living(layout),
        "marker": f"lp_{layout.name}_is_new",
        **{key: named(value) for key, value in kind.items()},
        "forward": f"lp_{layout.name}_forward",
        "reverse": f"lp_{layout.name}_reverse",
    }


def manifest_text(manifest: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(
        dict(manifest), sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
    )
    return (
        f"# SPDX-License-Identifier: MIT\n{text}"
        "# To fill in: what shows the defect, and that it is gone.\n"
        "# test:\n#   programs: [load/shows.c]\n#   checks:\n#     - run: /test/shows\n"
        "#       expect: {before: bad, patched: good, reverted: bad, unloaded: bad}\n"
    )


def series_of(subject: str) -> str:
    """Return the name of a series for a change with that subject."""
    text = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
    text = text if text[:1].isalpha() else f"fix-{text}"
    return text[:40].rpartition("-")[0] or text[:40] if len(text) > 40 else text.rstrip("-")
