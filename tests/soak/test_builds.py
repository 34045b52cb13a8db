# SPDX-License-Identifier: MIT
"""Builds of several patches that are killed at a random moment: the next run works, and has the
same bytes."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.at_once import empty_cache
from tests.kit.command import EXAMPLES, ROOT, lppack
from tests.kit.containers import children, left

pytestmark = pytest.mark.docker

WORDS = ("--kernel", "6.1.0-57-amd64", "--jobs", "1")


def patches(folder: Path) -> list[Path]:
    for name in ("one", "two", "three"):
        shutil.copytree(EXAMPLES / "proc-cmdline", folder / name)
        manifest = folder / name / "manifest.yaml"
        manifest.write_text(manifest.read_text().replace("name: proc-cmdline", f"name: {name}", 1))
    return sorted(folder.iterdir())


@pytest.mark.parametrize("builder", ["docker", "host"])
def test_ten_kills(builder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = patches(tmp_path / "patches")
    monkeypatch.setenv("XDG_CACHE_HOME", str(empty_cache(tmp_path / "whole")))
    words = ["build", *map(str, every), *WORDS, "--builder", builder, "-o"]
    start = time.monotonic()
    whole = lppack(*words, tmp_path / "whole/out", limit=900)
    took = time.monotonic() - start
    assert whole.rc == 0, whole.err
    draw = random.Random(builder)
    for number in range(10):
        place = tmp_path / str(number)
        monkeypatch.setenv("XDG_CACHE_HOME", str(empty_cache(place)))
        process = subprocess.Popen(
            [sys.executable, "-m", "lppack", *words, str(place / "out")],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        owners = {process.pid}
        end = time.monotonic() + draw.uniform(0, took)
        while time.monotonic() < end and process.poll() is None:
            owners |= set(children(process.pid))
            time.sleep(0.02)
        now = children(process.pid)
        process.kill()
        for child in now if draw.random() < 0.5 else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)  # has no time to remove its container either
        process.wait()
        again = lppack(*words, place / "out", limit=900)
        assert again.rc == 0, again.err
        for bundle in (tmp_path / "whole/out").iterdir():
            assert (place / "out" / bundle.name).read_bytes() == bundle.read_bytes()
        deadline = time.monotonic() + 60  # those that got SIGTERM remove theirs themselves
        while left(owners) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not left(owners)
        # Kernels and sources are the user's own, tens of gigabytes, and not what was killed.
        for kind in (place / "cache/lppack").iterdir():
            if kind.is_symlink():
                kind.unlink()
        assert lppack("cache", "--verify", "--prune").rc == 0
        assert not list((place / "cache/lppack").rglob(".draft-*"))
