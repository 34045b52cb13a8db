# SPDX-License-Identifier: MIT
"""A scheduler and workers of dask on this machine, each with a cache of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.at_once import empty_cache
from tests.kit.command import EXAMPLES, ROOT, check_shape, lppack

pytestmark = pytest.mark.docker

KERNELS = ("--kernel", "6.1.0-57-amd64")


@contextlib.contextmanager
def started(*words: str, log: Path, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """The scheduler's address, and its workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with contextlib.ExitStack() as stack:
        port = address.rpartition(":")[2]
        words: tuple[str, ...] = (
            *("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
        )
        stack.enter_context(started(*words, log=tmp_path / "scheduler.log"))
        workers = []
        for number in range(2):
            (tmp_path / f"w{number}").mkdir()
            cache = empty_cache(tmp_path / f"w{number}")
            words = (
                *("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
                *("--local-directory", str(tmp_path / f"w{number}")),
            )
            log = tmp_path / f"worker{number}.log"
            env = {"XDG_CACHE_HOME": str(cache)}
            workers.append(stack.enter_context(started(*words, log=log, **env)))
        end = time.monotonic() + 60
        while "Registered to" not in (tmp_path / "worker0.log").read_text() or (
            "Registered to" not in (tmp_path / "worker1.log").read_text()
        ):
            assert time.monotonic() < end, (tmp_path / "worker0.log").read_text()
            time.sleep(0.2)
        yield address, workers


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
    farm: tuple[str, list["subprocess.Popen[bytes]"]], tmp_path: Path
) -> None:
    address, workers = farm
    every = patches(tmp_path / "patches")
    words: list[str | Path] = ["build", *every, *KERNELS, "--format", "json"]
    command = [sys.executable, "-m", "lppack", *map(str, words), "-o", str(tmp_path / "there")]
    env = {"XDG_CACHE_HOME": str(empty_cache(tmp_path / "local"))}
    building = subprocess.Popen(
        [*command, "--farm", address],
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
        workers[0].kill()
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
