# SPDX-License-Identifier: MIT
"""Turn a build of many pairs into jobs of a CI service."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lppack.errors import EnvironmentMissing

#: Characters that need no quoting in a shell, in YAML and in the services' expressions.
_PLAIN = re.compile(r"[A-Za-z0-9_./+~-]+")
#: GitHub: "A matrix will generate a maximum of 256 jobs per workflow run."
_JOBS_MAX = 256


def jobs(patches: Sequence[Path], kernels: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """Map each kernel to the patches that are for it.

    One job builds all patches for a kernel, so that it is fetched and unpacked once. Raise
    EnvironmentMissing for a name that must be quoted, or if there is no pair; ManifestError.
    """
    from lppack.distributions import open_distribution
    from lppack.rules.target import matches
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    found: dict[str, list[Path]] = {}
    wanted: list[str] = []
    for spec in kernels:
        one = open_distribution().kernels.available([spec])[:1] if "*" in spec else (spec,)
        if not one:
            raise EnvironmentMissing(f"no kernel on offer matches {spec}", hint="lppack doctor")
        wanted += one
    for patch in dict.fromkeys(patches):
        patterns = validate(load(patch)).kernels
        for release in dict.fromkeys(wanted) or open_distribution().kernels.available(patterns)[:1]:
            if any(matches(pattern, release) for pattern in patterns):
                found.setdefault(release, []).append(patch)
    if not found:
        raise EnvironmentMissing(
            "none of the patches is for one of the kernels",
            hint="compare --kernel with `kernels` in the manifests",
        )
    for name in (*found, *(str(patch) for of in found.values() for patch in of)):
        if not _PLAIN.fullmatch(name) or name.startswith("-"):
            raise EnvironmentMissing(
                f'"{name}" would have to be quoted in a job',
                hint="rename it: letters, digits and . _ + ~ - /",
            )
    return {release: tuple(of) for release, of in found.items()}


def github(found: Mapping[str, Sequence[Path]], options: str) -> str:
    """Return the value of `strategy.matrix` as one line. Raise EnvironmentMissing if it is too
    large."""
    if len(found) > _JOBS_MAX:
        raise EnvironmentMissing(
            f"{len(found)} kernels exceed the {_JOBS_MAX} jobs of a matrix",
            hint="split the kernels over several workflows",
        )
    include = [
        {"kernel": kernel, "patches": " ".join(map(str, patches)), "options": options}
        for kernel, patches in found.items()
    ]
    return json.dumps({"include": include})


def gitlab(found: Mapping[str, Sequence[Path]], options: str) -> str:
    """Return a child pipeline with two jobs for each kernel: build and test."""
    import yaml

    pipeline: dict[str, Any] = {
        "default": {
            "image": {"name": "$LPPACK_IMAGE", "entrypoint": [""]},
            "cache": {"key": "lppack-$CI_JOB_NAME_SLUG", "paths": [".cache/lppack"]},
        },
        "variables": {"XDG_CACHE_HOME": "$CI_PROJECT_DIR/.cache"},
        "stages": ["build", "test"],
    }
    for kernel, patches in found.items():
        words = ["lppack build", options, f"--kernel {kernel}", "-o out --junit junit.xml"]
        pipeline[f"build {kernel}"] = {
            "stage": "build",
            "script": [" ".join(filter(None, [*words, *map(str, patches)]))],
            "artifacts": {
                "when": "always",
                "paths": ["out/*.lpp"],
                "reports": {"junit": "junit.xml"},
            },
        }
        pipeline[f"test {kernel}"] = {
            "stage": "test",
            "needs": [f"build {kernel}"],
            "script": ['for bundle in out/*.lpp; do lppack test "$bundle"; done'],
            "artifacts": {"when": "always", "paths": [".cache/lppack/consoles"]},
        }
    return str(yaml.safe_dump(pipeline, sort_keys=False, width=200))


def plan(service: str, patches: Sequence[Path], kernels: Sequence[str], options: str) -> str:
    """Return the jobs for ``service``. Raise EnvironmentMissing, ManifestError."""
    found = jobs(patches, kernels)
    return github(found, options) if service == "github" else gitlab(found, options)
