# SPDX-License-Identifier: MIT
"""Compiles drawn manifests with real kbuild, many modules in one run of make."""

import os
import random
from pathlib import Path

from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.stages.generate import write
from tests.kit.generated import drawn, tree


def compile_drawn(folder: Path, count: int, *, spoil: str = "") -> list[Path]:
    """The modules; ``spoil`` is C that is added to each. Prints its seed; LPPACK_SEED repeats."""
    seed = int(os.environ.get("LPPACK_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"LPPACK_SEED={seed}")  # noqa: T201
    kernel = resolve(None, (releases_of(),))
    patches, work = folder / "patches", folder / "work"
    patches.mkdir()
    manifests = drawn(patches, count, seed)
    for manifest in manifests:
        write(tree(manifest), work / manifest.module)
        with (work / manifest.module / "a.c").open("a") as source:
            source.write(spoil)
    names = " ".join(f"{manifest.module}/" for manifest in manifests)
    (work / "Kbuild").write_text(f"obj-m := {names}\n")
    with ContainerBuilder().open(work, kernel) as site:
        done = site.run([*kbuild_argv(site, kernel), "-j2", "modules"], limit=900.0)
    assert done.ok, f"LPPACK_SEED={seed}\n{done.summary(tail=30)}"
    return [next((work / m.module).glob("*.ko")) for m in manifests]
