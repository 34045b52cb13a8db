# SPDX-License-Identifier: MIT
"""What a module tells of itself when it is asked, and of each fix in it."""

import json

from lppack.model import Fix, Plan

#: What an irreversible patch is, for people.
IRREVERSIBLE = "what it converts stays so, and from then on it cannot be reverted"


def info_json(made: Plan) -> str:
    """Return what the module tells of itself, so that status needs no file on disk."""
    return json.dumps(
        {
            "series": made.name,
            "version": made.version,
            "engine": made.engine,
            "mode": made.mode.name,
            "replaces": list(made.manifest.replaces),
            "transforms": [transform.name for transform in made.manifest.transforms],
            "world": [transform.name for transform in made.manifest.world],
            "fixes": [fix_json(fix) for fix in made.manifest.fixes],
            "irreversible": bool(made.manifest.irreversible),
            "inlining": made.inlining,
            "complete": made.complete,
            "release": made.kernel.release,
            "kernel": made.kernel.version,
        },
        separators=(",", ":"),
    )


def fix_json(fix: Fix) -> dict[str, object]:
    return {
        "cve": fix.cve,
        "commit": fix.commit,
        "functions": list(fix.functions),
        "effective": fix.effective.value,
    }
