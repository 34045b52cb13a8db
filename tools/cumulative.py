# SPDX-License-Identifier: MIT
"""Writes examples/fixes/all and all-2: cumulative patches, made of the fixes that change no data.

Run by hand after a fix has changed; a test compares.
"""

import shutil
from pathlib import Path
from typing import Any

import yaml

FIXES = Path(__file__).parent.parent / "examples/fixes"
FIRST = ("attach-filter", "binfmt-misc", "disable-ipv6", "ipc-next-id", "prctl-auxv")
#: Version 2 drops the first of them, and adds one.
SECOND = ("binfmt-misc", "disable-ipv6", "ipc-next-id", "prctl-auxv", "vsock-buffer")


def merged(version: int, names: tuple[str, ...]) -> dict[str, Any]:
    """The manifest of all of ``names`` in one patch."""
    each = [yaml.safe_load((FIXES / name / "manifest.yaml").read_text()) for name in names]
    objects: dict[str, dict[str, Any]] = {}
    for one in each:
        for entry in one["objects"]:
            made = objects.setdefault(entry["name"], {"name": entry["name"], "functions": []})
            made["functions"] += entry["functions"]
            if "symbols" in entry:
                made["symbols"] = [*made.get("symbols", ()), *entry["symbols"]]
    return {
        "lppack": 1,
        "name": "all",
        "version": version,
        "description": f"{len(names)} fixes of Debian 12 in one patch",
        "license": "GPL-2.0-only",
        "author": "The lppack authors",
        "kernels": each[0]["kernels"],
        "needs": each[0]["needs"],
        "replaces": sorted({"all", *FIRST, *SECOND}),
        "sources": [source for one in each for source in one["sources"]],
        "kernel_headers": sorted({f for one in each for f in one.get("kernel_headers", ())}),
        "fixes": [fix for one in each for fix in one["fixes"]],
        "objects": list(objects.values()),
        "test": {
            "programs": [program for one in each for program in one["test"]["programs"]],
            "checks": [one["test"]["checks"][0] for one in each],
        },
    }


def write(folder: Path, version: int, names: tuple[str, ...]) -> None:
    """The patch folder, but for its README."""
    manifest = merged(version, names)
    text = yaml.safe_dump(manifest, sort_keys=False, default_flow_style=None, width=100)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.yaml").write_text(
        f"# SPDX-License-Identifier: GPL-2.0-only\n# Written by tools/cumulative.py.\n{text}"
    )
    (folder / "load").mkdir(exist_ok=True)
    for name in names:
        one = yaml.safe_load((FIXES / name / "manifest.yaml").read_text())
        for file in (*one["sources"], *one["test"]["programs"]):
            shutil.copyfile(FIXES / name / file, folder / file)


PATCHES = {"all": (1, FIRST), "all-2": (2, SECOND)}

if __name__ == "__main__":
    for folder, (version, names) in PATCHES.items():
        write(FIXES / folder, version, names)
