# SPDX-License-Identifier: MIT
"""The real builders: the same bytes from both, and a container that can do nothing else."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lppack import proc
from lppack.builders import docker_engine
from lppack.builders.container import PIDS, ContainerBuilder
from lppack.builders.host import HostBuilder
from lppack.builders.protocol import Builder, kbuild_argv
from lppack.debian import kernels
from lppack.debian.supported import releases_of
from lppack.errors import BuildFailed
from lppack.model import Kernel
from tests.kit.command import heed_ctrl_c

pytestmark = pytest.mark.docker

HELLO = Path(__file__).with_name("hello.c")
FIRST_BUILD = 300.0


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    """The newest of bookworm."""
    return kernels.resolve(None, [releases_of()])


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    with docker_engine.connect() as connected:
        yield connected


def names(client: docker.DockerClient) -> set[str]:
    found = client.api.containers(all=True, filters={"label": docker_engine.LABEL})
    return {str(one["Names"][0]).lstrip("/") for one in found}


def ours(client: docker.DockerClient, pid: int | None = None) -> set[str]:
    return {name for name in names(client) if name.startswith(f"lppack-{pid or os.getpid()}-")}


def build(builder: Builder, kernel: Kernel, work: Path) -> tuple[str, str]:
    """The module's hash as built and after strip -g."""
    work.mkdir(parents=True)
    shutil.copy(HELLO, work / "hello.c")
    (work / "Kbuild").write_text("obj-m := hello.o\n")
    with builder.open(work, kernel) as site:
        done = site.run(kbuild_argv(site, kernel), limit=FIRST_BUILD)
    assert done.ok, done.summary()
    module = work / "hello.ko"
    whole = hashlib.sha256(module.read_bytes()).hexdigest()
    subprocess.run(["strip", "-g", str(module)], check=True, timeout=60)
    return whole, hashlib.sha256(module.read_bytes()).hexdigest()


def inside(command: str, work: Path) -> proc.Done:
    with ContainerBuilder().open(work, None) as site:
        return site.run(["sh", "-c", command], limit=60)


def test_both_builders_give_the_same_bytes_in_any_directory(kernel: Kernel, tmp_path: Path) -> None:
    first = build(ContainerBuilder(), kernel, tmp_path / "a")
    assert build(HostBuilder(), kernel, tmp_path / "longer/b") == first
    assert build(HostBuilder(), kernel, tmp_path / "c") == first


def test_both_builders_name_the_same_compiler(kernel: Kernel) -> None:
    container, host = ContainerBuilder().identity(kernel), HostBuilder().identity(kernel)
    assert container["compiler"] == host["compiler"]
    assert container["image"].startswith("lppack-kbuild:bookworm-")
    assert container["image_id"].startswith("sha256:")


@pytest.mark.parametrize("builder", [ContainerBuilder(), HostBuilder()], ids=lambda b: b.name)
def test_a_static_program_is_built(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "p.c").write_text("int main(void) { return 42; }\n")
    with builder.open(tmp_path, None) as site:
        assert site.run([site.compiler, "-static", "-o", "p", "p.c"], limit=60).ok
    assert proc.run([str(tmp_path / "p")], limit=10).rc == 42


def test_the_container_can_do_nothing_but_compile(tmp_path: Path) -> None:
    done = inside(
        "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status; ls /sys/class/net;"
        " cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null;"
        " cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null;"
        " touch /x 2>&1; touch /usr/x 2>&1; touch /build/y /tmp/z && echo may write",
        tmp_path,
    )
    assert done.out.splitlines() == [
        str(tmp_path.stat().st_uid or 1000),
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "lo",
        str(PIDS),
        str(2 * 2**30),
        "touch: cannot touch '/x': Read-only file system",
        "touch: cannot touch '/usr/x': Read-only file system",
        "may write",
    ]


def test_the_kernel_headers_are_read_only(kernel: Kernel, tmp_path: Path) -> None:
    with ContainerBuilder().open(tmp_path, kernel) as site:
        done = site.run(["touch", f"{site.kernel}/x"], limit=60)
    assert "Read-only file system" in done.out


def test_the_work_directory_is_ours_again_afterwards(tmp_path: Path) -> None:
    before = tmp_path.stat().st_uid
    inside("mkdir d && echo made > d/file && ln -s /etc/passwd d/link && chmod 700 d", tmp_path)
    made = [tmp_path, *tmp_path.rglob("*")]
    assert {path.lstat().st_uid for path in made} == {before}
    assert Path("/etc/passwd").stat().st_uid == 0
    assert (tmp_path / "d/file").read_text() == "made\n"


def test_lines_come_before_the_end(tmp_path: Path) -> None:
    came: list[tuple[str, float]] = []
    start = time.monotonic()

    def on_line(line: str) -> None:
        came.append((line, time.monotonic() - start))

    with ContainerBuilder(on_line).open(tmp_path, None) as site:
        start = time.monotonic()
        done = site.run(["sh", "-c", "echo one; sleep 3; echo two"], limit=60)
    assert [line for line, _ in came] == ["one", "two"]
    assert came[1][1] - came[0][1] > 2
    assert done.out == "one\ntwo\n"


def test_past_the_limit_the_container_is_killed(
    tmp_path: Path, client: docker.DockerClient
) -> None:
    with ContainerBuilder().open(tmp_path, None) as site:
        done = site.run(["sh", "-c", "echo begun; sleep 60"], limit=3)
    assert (done.timed_out, done.out) == (True, "begun\n")
    assert done.seconds < 30
    assert not ours(client)


def test_a_build_that_needs_too_much_memory_says_so(tmp_path: Path) -> None:
    # Every array is touched, so that the memory is really taken; the shell goes on after it.
    (tmp_path / "eat.c").write_text(
        "#include <stdlib.h>\n#include <string.h>\n"
        "int main(void) { for (;;) { char *p = malloc(1 << 26); if (p) memset(p, 1, 1 << 26); } }\n"
    )
    with ContainerBuilder().open(tmp_path, None) as site:
        assert site.run([site.compiler, "-O0", "-o", "eat", "eat.c"], limit=60).ok
        with pytest.raises(BuildFailed, match="out of memory"):
            site.run(["sh", "-c", "./eat; true"], limit=120)


def test_a_command_that_is_not_there_leaves_no_container(
    tmp_path: Path, client: docker.DockerClient
) -> None:
    with ContainerBuilder().open(tmp_path, None) as site:
        done = site.run(["no-such-program"], limit=60)
    assert done.rc == 127
    assert not ours(client)


@pytest.mark.parametrize("number", ["INT", "TERM"])
def test_an_interruption_removes_the_container(
    number: str, tmp_path: Path, client: docker.DockerClient
) -> None:
    child = start_child(tmp_path)
    try:
        assert ours(client, child.pid)
        child.send_signal(signal.Signals[f"SIG{number}"])
        child.wait(timeout=30)
        assert not ours(client, child.pid)
    finally:
        child.kill()
        child.wait(timeout=10)


def test_the_sweep_takes_the_containers_of_the_dead_alone(
    tmp_path: Path, client: docker.DockerClient
) -> None:
    (tmp_path / "dead").mkdir()
    (tmp_path / "living").mkdir()
    dead, living = start_child(tmp_path / "dead"), start_child(tmp_path / "living")
    try:
        dead.kill()
        dead.wait(timeout=10)
        left = ours(client, dead.pid)
        assert len(left) == 1
        removed = set(docker_engine.sweep(client))
        # Another lppack process may sweep at the same moment.
        assert removed <= left
        assert not ours(client, dead.pid)
        assert len(ours(client, living.pid)) == 1
    finally:
        living.terminate()
        living.wait(timeout=30)
        dead.kill()
    assert not ours(client, living.pid)


CHILD = """
import signal, sys
from pathlib import Path
from lppack.builders.container import ContainerBuilder
def stop(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGTERM, stop)
with ContainerBuilder(lambda line: print(line, flush=True)).open(Path(sys.argv[1]), None) as site:
    site.run(["sh", "-c", "echo begun; sleep 120"], limit=150)
"""


def start_child(work: Path) -> subprocess.Popen[str]:
    """A process whose build has begun."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    assert child.stdout is not None
    with child.stdout as lines:
        assert "begun\n" in iter(lines.readline, "")
    return child
