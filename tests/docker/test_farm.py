# SPDX-License-Identifier: MIT
"""Builds on a farm: the bits are those of a local build, and a lost worker costs its jobs alone."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.at_once import empty_cache
from tests.kit.command import EXAMPLES, ROOT, check_shape, lppack
from tests.kit.farm import Farm, farm

pytestmark = pytest.mark.docker

KERNELS = ("--kernel", "6.1.0-57-amd64")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Farm]:
    with farm(tmp_path) as found:
        yield found


def patches(folder: Path) -> list[Path]:
    found = []
    for name in ("one", "two"):
        shutil.copytree(EXAMPLES / "proc-cmdline", folder / name)
        manifest = folder / name / "manifest.yaml"
        manifest.write_text(manifest.read_text().replace("name: proc-cmdline", f"name: {name}", 1))
        found.append(folder / name)
    shutil.copytree(EXAMPLES / "proc-cmdline", folder / "bad")
    source = folder / "bad/cmdline.c"
    source.write_text(source.read_text() + "\nint broken = missing;\n")
    return [*found, folder / "bad"]


def test_a_lost_workers_pairs_are_built_again_and_the_bits_are_the_same(
    running: Farm, tmp_path: Path
) -> None:
    every = patches(tmp_path / "patches")
    words: list[str | Path] = ["build", *every, *KERNELS, "--format", "json"]
    command = [sys.executable, "-m", "lppack", *map(str, words), "-o", str(tmp_path / "there")]
    env = {"XDG_CACHE_HOME": str(empty_cache(tmp_path / "local"))}
    building = subprocess.Popen(
        [*command, "--farm", running.address],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        journal = tmp_path / "w0/cache/lppack/journal.log"
        end = time.monotonic() + 120
        while not journal.exists():  # it has started a container
            assert time.monotonic() < end
            assert building.poll() is None, building.communicate()
            time.sleep(0.1)
        running.workers[0].kill()
        out, err = building.communicate(timeout=300)
    finally:
        building.kill()
    assert building.returncode == 5, err
    here = lppack(*words, "-o", tmp_path / "here", env=env)
    assert here.rc == 5
    check_shape("build", here.json)
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert len(names) == 2
    assert names == sorted(path.name for path in (tmp_path / "there").iterdir())
    for name in names:
        there, local = ((tmp_path / at / name).read_bytes() for at in ("there", "here"))
        assert there == local, name
    assert b"missing" in out
    assert str(tmp_path / "patches/bad/cmdline.c").encode() in out, "the author's own path"


def test_what_is_no_farm_is_said() -> None:
    ran = lppack("build", EXAMPLES / "proc-cmdline", "--farm", "tcp://127.0.0.1:1", limit=120)
    assert ran.rc == 4
    assert "no scheduler answers at tcp://127.0.0.1:1" in ran.err
    words = ("--sign-key", "key", "--sign-cert", "cert")
    ran = lppack("build", EXAMPLES / "proc-cmdline", "--farm", "tcp://127.0.0.1:1", *words)
    assert ran.rc == 2
    assert "--sign-key excludes --farm" in ran.err
