# SPDX-License-Identifier: MIT
"""Commands of many kinds at once on one cache that has packages, and nothing made of them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lppack import store
from lppack.stages import cache
from tests.kit.command import EXAMPLES, ROOT

KERNEL = "6.1.0-47-amd64"
FIX = EXAMPLES / "fixes/prctl-auxv"
#: What costs minutes and a network; the rest of the cache is empty.
_SHARED = ("apt", "images", "kernels", "packages", "sources")


def empty_cache(folder: Path) -> Path:
    home = folder / "cache/lppack"
    home.mkdir(parents=True)
    for kind in _SHARED:
        (home / kind).symlink_to(store.cache_dir() / kind)
    return folder / "cache"


def commands(folder: Path, number: int) -> list[list[str]]:
    kernel = ["--kernel", KERNEL]
    return [
        ["draft", str(FIX / "upstream.diff"), "-o", str(folder / f"draft-{number}"), *kernel],
        ["build", str(FIX), "-o", str(folder / f"out-{number}"), *kernel],
        ["facts", "prctl_set_auxv", *kernel],
        ["validate", str(FIX), *kernel],
    ]


def round_of(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, count: int, killed: int, seed: int
) -> None:
    """Run ``count`` commands at once and kill the first ``killed`` of them."""
    env = {**os.environ, "XDG_CACHE_HOME": str(empty_cache(folder))}
    draw = random.Random(seed)
    running = []
    for number in range(count):
        words = commands(folder, number)[number % 4 if number >= killed else number % 2]
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "lppack", *words],
                cwd=ROOT,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
    try:
        for process in running[:killed]:
            time.sleep(draw.uniform(0, 8 / killed))
            os.killpg(process.pid, signal.SIGKILL)
        said = [process.communicate(timeout=600)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert not [text for text in said if "Traceback" in text], said
    codes = [process.returncode for process in running[killed:]]
    assert codes == [0] * len(codes), said
    monkeypatch.setenv("XDG_CACHE_HOME", env["XDG_CACHE_HOME"])
    made = [entry for entry in cache.listed() if entry.kind not in _SHARED]
    assert {"facts", "modules", "objects"} <= {entry.kind for entry in made}
    assert not [fault for entry in made for fault in cache.damaged(entry)]
    cache.sweep()
    assert not list((folder / "cache/lppack").rglob(f"{store.DRAFT}*"))
