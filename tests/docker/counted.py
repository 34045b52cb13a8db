# SPDX-License-Identifier: MIT
"""Stories with the count.c of refcount, in user space."""

import shutil
from pathlib import Path

from lppack.builders.container import ContainerBuilder
from lppack.resources import kmod_dir

SOURCES = Path(__file__).parent / "counting"
#: schedules.c includes the other.
SOURCES_OF = {
    "counting": ("c/counting.c", "c/count.c"),
    "schedules": ("c/schedules.c",),
}


def compiled(folder: Path, *, program: str = "counting", old: str = "", new: str = "") -> Path:
    """``program``; in count.c ``old`` becomes ``new``."""
    shutil.copytree(SOURCES, folder / "c")
    for name in ("count.c", "lppack_engine.h"):
        shutil.copy(kmod_dir() / "engine" / name, folder / "c")
    (folder / "c/internal.h").write_text("/* kernel.h takes its place */\n")
    source = folder / "c/count.c"
    text = source.read_text()
    assert old in text, "what is to be spoilt is not there any more"
    source.write_text(text.replace(old, new) if old else text)
    with ContainerBuilder().open(folder, None) as site:
        argv = [site.compiler, "-static", "-Wall", "-Wextra", "-Werror", "-Ic", "-include"]
        argv += ["c/kernel.h", "-o", program, *SOURCES_OF[program]]
        done = site.run(argv, limit=120.0)
    assert done.ok, done.summary(tail=30)
    return folder / program
