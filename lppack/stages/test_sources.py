# SPDX-License-Identifier: MIT
"""The sources of a patch's test targets and programs, and their paths in a build."""

from collections.abc import Iterator
from pathlib import Path

from lppack.model import Plan

#: Folders of a work directory.
MODULE, TARGET, PROGRAMS = "module", "target", "programs"


def test_files(plan: Plan) -> Iterator[tuple[str, Path]]:
    """Yield the sources of the test targets and programs, with their paths in the work
    directory."""
    folder, spec = plan.manifest.folder, plan.manifest.test
    if spec.targets:
        for path in sorted((folder / "target").rglob("*")):
            if path.is_file() and (path.suffix in (".c", ".h") or path.name == "Kbuild"):
                yield f"{TARGET}/{path.relative_to(folder / 'target')}", path
    for name in spec.programs:
        yield f"{PROGRAMS}/{name}", folder / name
