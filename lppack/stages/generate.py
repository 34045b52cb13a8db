# SPDX-License-Identifier: MIT
"""generate: the sources that kbuild compiles. The author's files are copied, never rendered."""

import shutil
from pathlib import Path

from lppack.distributions import open_distribution
from lppack.model import Plan, SourceTree
from lppack.resources import kmod_dir, render


def generate(plan: Plan) -> SourceTree:
    """Return the source tree of ``plan``; render every template that the plan needs.

    Raise EnvironmentMissing if private headers of the kernel are not available.
    """
    names = ["Kbuild", "lppack.h", "lp_functions.h", "lp_runtime.h", "lp_glue.c", "lp_series.c"]
    names += ["lp_marks.h"] if plan.resolved else []
    names += ["lp_slots.c", "lp_slots.h"] if plan.with_slots else []
    names += ["lp_count.c", "lp_count.h"] if plan.counts else []
    names += ["lp_convert.c"] if plan.converts else []
    names += ["lp_world.c", "lp_world.h"] if plan.manifest.world else []
    names += [] if plan.by_engine else ["lp_unload.c"]
    names += ["lp_test_point.c"] if plan.test_points else []
    manifest = plan.manifest
    copies = [(name, manifest.folder / name) for name in (*manifest.sources, *manifest.headers)]
    if plan.by_engine:
        sources = sorted((kmod_dir() / "engine").iterdir())
        copies += [(f"engine/{file.name}", file) for file in sources]
    if manifest.kernel_headers:
        found = open_distribution().sources.private_headers(plan.kernel, manifest.kernel_headers)
        copies += [(f"kernel_headers/{name}", file) for name, file in found]
    return SourceTree(
        plan=plan,
        files=tuple((name, render(f"module/{name}.j2", plan=plan)) for name in sorted(names)),
        copies=tuple(sorted(copies)),
    )


def write(tree: SourceTree, folder: Path) -> None:
    """Write the tree below ``folder``; create it."""
    for name, text in tree.files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name, source in tree.copies:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, file)
