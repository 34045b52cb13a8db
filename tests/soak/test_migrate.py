# SPDX-License-Identifier: MIT
"""A service goes by CRIU and kexec into another kernel; beside it, mode checkpoint."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.consistency import EngineName
from lppack.debian.kernels import resolve
from lppack.hosts.guest import GuestHost, boot
from lppack.stages.apply import Control, apply
from tests.kit.command import EXAMPLES
from tests.loads.matrix import ENGINES, MODES_BY_NAME, build_from

OLD = "6.1.0-*-amd64"
STATE = "/job/state"
#: What must be as it was; each tells so itself.
KEPT = ("pipe", "unix", "tcp", "memory", "shared", "eventfd", "signal")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("tree") / "tree"
    source = Path(__file__).parent / "tree.c"
    flags = ("-O1", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
    return program


def state(host: GuestHost) -> dict[str, int]:
    """Return what the tree says of itself; it writes the file anew all the time."""
    for _ in range(50):
        found = re.findall(r"(\w+)=(\d+)", host.read(STATE))
        if len(found) == 12:
            return {name: int(value) for name, value in found}
        time.sleep(0.02)
    raise AssertionError("no whole line")


def goes_on(host: GuestHost) -> dict[str, int]:
    before = state(host)
    time.sleep(2.0)
    after = state(host)
    assert after["n"] > before["n"] + 5
    assert after["ticks"] > before["ticks"] + 20
    assert {name: after[name] for name in KEPT} == dict.fromkeys(KEPT, 1)
    assert after["pid"] == before["pid"]
    after["timer runs"] = int(after["timer"] > before["timer"])
    return after


@pytest.mark.parametrize("to", ["6.1.0-*-amd64", "6.12.*+deb13-amd64", "7.2.*+deb13-amd64"])
def test_a_service_is_in_another_kernel(tree: Path, to: str) -> None:
    new = resolve(None, [to]).release
    plan = pipeline.plan_migration(tree, resolve(None, [OLD]).release, new)
    seen: dict[str, int] = {}
    made = pipeline.run_migration(
        plan,
        arguments=[STATE],
        settle=3.0,
        builder="docker",
        say=lambda _line: None,
        look=lambda host: seen.update(goes_on(host)),
    )
    assert made.release == new
    assert made.before.lost(made.after) == ()
    assert bool(made.timers) is not bool(seen["timer runs"])
    assert len(made.after.processes) == 2
    assert len(made.after.threads) == 3
    steps = ", ".join(f"{name} {value:.2f}" for name, value in made.seconds.items())
    sys.stdout.write(
        f"{plan.old.release} to {new}: still for {made.pause:.2f} s ({steps}); images "
        f"{made.image_bytes >> 10} KiB; timer that had expired runs: {seen['timer runs']}\n"
    )


def test_the_same_service_in_mode_checkpoint(tree: Path, tmp_path: Path) -> None:
    kernel = resolve(None, [OLD])
    mode = MODES_BY_NAME["checkpoint"]
    manifest = EXAMPLES / "proc-cmdline"
    patch = build_from(manifest, kernel, EngineName.CONSISTENCY, mode, tmp_path / "patch")
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        host.run(["ip", "link", "set", "lo", "up"], limit=30.0)
        host.put(tree, "/job/program", mode=0o755)
        start = f"cd /job; setsid ./program {STATE} < /dev/null > out 2>&1 & sleep 3"
        host.run(["/bin/busybox", "sh", "-c", start], limit=30.0)
        before = state(host)["gap"]
        control = Control(engine=ENGINES[EngineName.CONSISTENCY](host), host=host, timeout=120.0)
        apply(control, patch.bundle, patch.ko)
        after = goes_on(host)
        assert after["timer runs"]
        assert not host.faults()
    sys.stdout.write(
        f"{kernel.release}, checkpoint: the most between two of its steps, of 50 ms each: "
        f"{after['gap']} ms, {before} ms before\n"
    )
