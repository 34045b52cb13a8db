# SPDX-License-Identifier: MIT
"""count.c of lppack's engine, compiled for user space: stories of threads that end in the patched
set, and of a count that is too low."""

import subprocess
from pathlib import Path

import pytest

from tests.docker.counted import compiled

pytestmark = pytest.mark.docker


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
