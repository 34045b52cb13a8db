# SPDX-License-Identifier: MIT
"""count.c of lppack's engine, compiled for user space: stories of threads that end in the patched
set, and of a count that is too low."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lppack.builders.container import ContainerBuilder
from lppack.resources import kmod_dir

pytestmark = pytest.mark.docker

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


def play(program: Path, story: str) -> tuple[int, str]:
    done = subprocess.run([program, story], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("counting"))


@pytest.mark.parametrize(
    "story", ["stale", "another", "later", "negative", "negative-world", "died"]
)
def test_the_kernel_switches_when_nobody_is_inside(program: Path, story: str) -> None:
    assert play(program, story) == (0, "")


@pytest.mark.parametrize(
    ("story", "old", "new"),
    [
        ("later", "\tpatch->unseen = 0;\n", ""),
        ("another", "~(LPE_ARMED | LPE_IN_NEW), lost", "LPE_VISITS, lost"),
        ("negative", "lpe_visits(atomic_long_read(word)) < patch->seen", "false"),
        ("negative-world", "!lpe_all_ready(patch) || lpe", "lpe"),
    ],
)
def test_a_step_that_is_left_out_is_seen(tmp_path: Path, story: str, old: str, new: str) -> None:
    code, said = play(compiled(tmp_path, old=old, new=new), story)
    assert code == 1 and "with a thread inside" in said
