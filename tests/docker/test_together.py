# SPDX-License-Identifier: MIT
"""Several modules of one kernel in one container: the bytes of a build alone, and what becomes of
them where the container, its process or the engine is lost."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack import store
from lppack.builders import docker_engine
from tests.kit.at_once import empty_cache
from tests.kit.command import EXAMPLES, ROOT, heed_ctrl_c, lppack
from tests.kit.containers import children, left, shared
from tests.kit.engine_proxy import EngineProxy

pytestmark = pytest.mark.docker

KERNEL = ("--kernel", "6.1.0-57-amd64")


#: Of the user's own cache, before a test has another.
FACTS = store.cache_dir() / "facts"


def with_facts(folder: Path) -> Path:
    """Return a cache in which nothing was built, for a kernel that is known."""
    cache = empty_cache(folder)
    (cache / "lppack/facts").symlink_to(FACTS)
    return cache


@pytest.fixture
def patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two of the kernel's engine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(with_facts(tmp_path)))
    found = []
    for name in ("one", "two"):
        found.append(tmp_path / name)
        shutil.copytree(EXAMPLES / "proc-cmdline", found[-1])
        manifest = found[-1] / "manifest.yaml"
        manifest.write_text(manifest.read_text().replace("name: proc-cmdline", f"name: {name}", 1))
    return found


def containers(cache: Path) -> int:
    return (cache / "lppack/journal.log").read_text().count(" container ")


def test_the_bytes_are_those_of_a_build_alone(patches: list[Path], tmp_path: Path) -> None:
    """Also of one with an engine of its own, a target and programs, and beside one that fails."""
    broken = tmp_path / "broken"
    shutil.copytree(patches[0], broken)
    source = broken / "cmdline.c"
    source.write_text(source.read_text() + "int broken = missing;\n")
    every = [*patches, EXAMPLES / "conn-limit", broken]
    ran = lppack("build", *every, *KERNEL, "--jobs", "1", "-o", tmp_path / "together", limit=600)
    assert ran.rc == 5, ran.err
    assert "3 built, 1 failed" in ran.err
    assert f"{source}:" in ran.err
    assert "'missing' undeclared" in ran.err
    assert "broken" not in ran.out
    names = {path.name for path in (tmp_path / "together").iterdir()}
    assert len(names) == 3
    alone = with_facts(tmp_path / "alone")
    counts: list[int] = []
    for patch in every[:3]:
        before = containers(alone) if counts else 0
        done = lppack(
            *("build", patch, *KERNEL, "-o", tmp_path / "out"), env={"XDG_CACHE_HOME": str(alone)}
        )
        assert done.rc == 0, done.err
        counts.append(containers(alone) - before)
    for name in names:
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    # One for all modules, and one more for that which failed; alone it would be four.
    assert containers(tmp_path / "cache") <= sum(counts)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[EngineProxy]:
    found = EngineProxy(tmp_path / "engine.sock")
    yield found
    found.close()


def kill_container(_pid: int, found: tuple[str, int], _proxy: EngineProxy) -> None:
    with docker_engine.connect() as client:
        client.api.kill(found[0])


def kill_process(_pid: int, found: tuple[str, int], _proxy: EngineProxy) -> None:
    os.kill(found[1], signal.SIGKILL)


def ctrl_c(pid: int, _found: tuple[str, int], _proxy: EngineProxy) -> None:
    os.kill(pid, signal.SIGINT)


def stop_engine(_pid: int, _found: tuple[str, int], proxy: EngineProxy) -> None:
    proxy.close()


@pytest.mark.parametrize(
    ("lose", "code", "said"),
    [
        (kill_container, 0, "2 built"),
        (kill_process, 0, "2 built"),
        (ctrl_c, 130, "interrupted"),
        (stop_engine, 4, "no Docker engine answers at unix://"),
    ],
)
def test_what_becomes_of_them(
    lose: Callable[[int, tuple[str, int], EngineProxy], None],
    code: int,
    said: str,
    patches: list[Path],
    tmp_path: Path,
    proxy: EngineProxy,
) -> None:
    words = ["build", *map(str, patches), *KERNEL, "--jobs", "1", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "lppack", *words],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": proxy.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    owners: set[int] = set()
    try:
        end = time.monotonic() + 180
        while (found := shared(process.pid)) is None:
            owners |= set(children(process.pid))
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)
        owners.add(found[1])
        lose(process.pid, found, proxy)
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert "Traceback" not in err, err
    assert process.returncode == code, err
    assert said in err
    assert len(list((tmp_path / "out").glob("*.lpp"))) == (2 if code == 0 else 0)
    again = lppack(*words, limit=300)
    assert again.rc == 0, again.err
    assert ("2 cached" if code == 0 else "2 built") in again.err
    assert not left(owners), "what could not be removed is swept by the next run"
    assert not list((tmp_path / "cache/lppack").rglob(".draft-*"))


_FULL = """
mount -t tmpfs -o size=$1 none "$2" || exit 99
mkdir "$2/lppack" && cp -d "$3"/* "$2/lppack" || exit 99
export XDG_CACHE_HOME="$2"
at=$2; shift 3
"$@" && exit 98
code=$?
find "$at" -name '.draft-*'
[ $code = 4 ] || exit $code
mount -o remount,size=64m "$at" && exec "$@"
"""


@pytest.mark.parametrize("size", ["1m", "3m"])
def test_a_full_disk_is_said_and_the_next_run_works(
    size: str, patches: list[Path], tmp_path: Path
) -> None:
    """1 MB has no room for what is built together, 3 MB have none in the middle of the second."""
    (tmp_path / "disk").mkdir()
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    words = [sys.executable, "-m", "lppack", "build", *map(str, patches), *KERNEL]
    words += ["--jobs", "1", "--builder", "host", "-o", str(tmp_path / "out")]
    kinds = tmp_path / "cache/lppack"
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            *own,
            "sh",
            "-c",
            _FULL,
            "sh",
            size,
            tmp_path / "disk",
            kinds,
            *words,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "No space left on device" in done.stderr
    assert "lppack cache --prune" in done.stderr
    assert len(list((tmp_path / "out").glob("*.lpp"))) == 2
    assert ".draft-" not in done.stdout
