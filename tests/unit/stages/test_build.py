# SPDX-License-Identifier: MIT
"""Modules of one kernel in one run of the builder, with programs of the test in the place of make
and strip."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lppack import store
from lppack.builders.host import HostBuilder
from lppack.builders.probes import open_probes
from lppack.model import Kernel, SourceTree
from lppack.stages import build
from lppack.stages.build import build_together
from tests.kit import samples
from tests.kit.ended import ended
from tests.kit.kernel_tree import make_kernel


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH whose first directory the test fills."""
    folder = tmp_path / "programs"
    folder.mkdir()
    write(folder / "gcc-12", "echo gcc-12 of the test")
    write(folder / "strip", "exit 0")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def write(program: Path, text: str) -> None:
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def trees(kernel: Kernel, count: int) -> list[SourceTree]:
    plan = samples.plan(samples.manifest(), kernel=kernel)
    return [SourceTree(plan=plan, files=(("a.c", f"{n}"),), copies=()) for n in range(count)]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_what_a_failed_build_has_tried_is_not_kept(
    programs: Path, work: Path, tmp_path: Path
) -> None:
    write(
        programs / "make",
        """\
case $LPPACK_PROBES in
*/0/*) echo 'lppack-probe|failed|y|n| := $(lppack-empty)y' >> "$LPPACK_PROBES"; exit 1;;
*/1/*) echo 'lppack-probe|built|y|n| := $(lppack-empty)y' >> "$LPPACK_PROBES";;
esac""",
    )
    kernel, builder = make_kernel(tmp_path / "tree"), HostBuilder()
    build_together(trees(kernel, 2), builder, work, 1)
    place = open_probes(kernel, builder.identity(kernel)).place
    assert store.read_json(place) == {"lppack-probe|built|y|n|": "y"}
    assert "failed" in (work / "0/probes.new").read_text()


#: As make does, it starts a compiler and waits for it.
_SLOW = """\
sleep 60 &
echo $$ $! > "${LPPACK_PROBES%/*}/pids.new"
mv "${LPPACK_PROBES%/*}/pids.new" "${LPPACK_PROBES%/*}/pids"
wait"""


def compilers(work: Path) -> list[int]:
    """The fake make of the first module, and its child, once they run."""
    for _ in range(3000):
        if (work / "0/pids").exists():
            return [int(pid) for pid in (work / "0/pids").read_text().split()]
        time.sleep(0.01)
    raise AssertionError("no module is built")


def past_the_limit(_work: Path) -> None:
    pass


def ctrl_c(work: Path) -> None:
    compilers(work)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("end", "limit", "raised"), [(past_the_limit, 1.0, None), (ctrl_c, 60.0, KeyboardInterrupt)]
)
def test_no_compiler_is_left(
    end: Callable[[Path], None],
    limit: float,
    raised: type[BaseException] | None,
    programs: Path,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(programs / "make", _SLOW)
    monkeypatch.setattr(build, "_LIMIT", limit)
    each = trees(make_kernel(tmp_path / "tree"), 2)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=end, args=(work,))
    thread.start()
    try:
        with pytest.raises(raised) if raised else contextlib.nullcontext():
            build_together(each, HostBuilder(), work, 1)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert all(ended(pid) for pid in compilers(work))
    assert not (work / "0/done").exists()
    assert not (work / "1/pids").exists(), "the second is left to be built alone"
