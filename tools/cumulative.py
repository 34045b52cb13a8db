# SPDX-License-Identifier: MIT
"""Write examples/fixes/all and all-2: cumulative patches, generated from the fixes beside them.

Run this by hand after a fix has changed; a test compares the result.
"""

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

FIXES = Path(__file__).parent.parent / "examples/fixes"
FIRST = (
    *("attach-filter", "binfmt-misc", "disable-ipv6", "ipc-next-id", "loop-block-size"),
    *("prctl-auxv", "proc-nlink", "secretmem", "tcp-reordering", "vsock-buffer"),
)
#: Version 2 drops the first of them, and adds one.
SECOND = (*FIRST[1:], "raw-header")
PATCHES = {"all": (1, FIRST), "all-2": (2, SECOND)}
#: Files with hooks that call those of several fixes; written by hand.
HOOKS = ("hooks.c", "hooks.h")


def manifest_of(name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load((FIXES / name / "manifest.yaml").read_text())
    return manifest


def merged(version: int, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the manifest of one patch that has all the fixes ``names``."""
    each = [manifest_of(name) for name in names]

    def every(key: str) -> list[Any]:
        return [entry for one in each for entry in one.get(key, ())]

    return {
        "lppack": 1,
        "name": "all",
        "version": version,
        "description": f"{len(names)} fixes of Debian 12 in one patch",
        "license": "GPL-2.0-only",
        "author": "The lppack authors",
        "kernels": each[0]["kernels"],
        "needs": list(dict.fromkeys(every("needs"))),
        "replaces": sorted({"all", *FIRST, *SECOND}),
        "sources": [*every("sources"), HOOKS[0]],
        "headers": [*every("headers"), HOOKS[1]],
        "kernel_headers": sorted(set(every("kernel_headers"))),
        "fixes": every("fixes"),
        "objects": objects(every("objects")),
        "states": every("states"),
        "transforms": every("transforms"),
        "shadow_variables": every("shadow_variables"),
        "test": {
            "programs": [program for one in each for program in one["test"]["programs"]],
            "boot": [word for one in each for word in one["test"].get("boot", ())],
            "checks": [check(entry) for one in each for entry in one["test"]["checks"]],
        },
    }


def objects(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge the entries of all fixes into one entry for each object."""
    made: dict[str, dict[str, Any]] = {}
    hooks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        name = entry["name"]
        whole = made.setdefault(name, {"name": name})
        for key in ("functions", "symbols"):
            if key in entry:
                whole[key] = [*whole.get(key, ()), *entry[key]]
        for step, hook in entry.get("hooks", {}).items():
            hooks[name, step].append(hook)
    for (name, step), several in hooks.items():
        one = several[0] if len(several) == 1 else f"lp_all_{step}"
        made[name].setdefault("hooks", {})[step] = one
    return list(made.values())


def check(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the check; what it expects when patched, it also expects when others are converted."""
    expect = entry["expect"]
    if "patched" in expect:
        expect = {"converted": expect["patched"], **expect}
    return {**entry, "expect": expect}


def write(folder: Path, version: int, names: tuple[str, ...]) -> None:
    """Write the patch folder, except its README."""
    manifest = merged(version, names)
    text = yaml.safe_dump(manifest, sort_keys=False, default_flow_style=None, width=100)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.yaml").write_text(
        f"# SPDX-License-Identifier: GPL-2.0-only\n# Written by tools/cumulative.py.\n{text}"
    )
    (folder / "load").mkdir(exist_ok=True)
    for name in names:
        one = manifest_of(name)
        for file in (*one["sources"], *one.get("headers", ()), *one["test"]["programs"]):
            shutil.copyfile(FIXES / name / file, folder / file)
    for file in HOOKS:
        if folder != FIXES / "all":
            shutil.copyfile(FIXES / "all" / file, folder / file)


if __name__ == "__main__":
    for place, (number, fixes) in PATCHES.items():
        write(FIXES / place, number, fixes)
