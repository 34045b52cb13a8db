# SPDX-License-Identifier: MIT
"""Threads that are nearly always in patched functions, on a guest of their own."""

import time
from collections.abc import Callable, Iterator

import pytest

from lppack import abi, pipeline
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.apply import Control
from lppack.stages.bundle import extract
from lppack.stages.test import load_targets
from tests.kit.command import ROOT
from tests.kit.target import Target

PATCH = ROOT / "tests/guest/patches/caught"
WORDS = ("preempt=full", "maxcpus=1")
#: Its kernel has lists of threads that exit; that of 6.1 waits for them.
WITH_LISTS = releases_of("6.12")


@pytest.fixture(scope="module", params=[WITH_LISTS, releases_of()])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return resolve(None, (request.param,))


@pytest.fixture(scope="module")
def guest(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestHost]:
    initramfs = pipeline.initramfs_for(kernel, "docker")
    work = tmp_path_factory.mktemp("g")
    with boot(kernel, work=work, initramfs=initramfs, cmdline=WORDS) as host:
        assert "(full)" in host.read("/sys/kernel/debug/sched/preempt")
        yield host


Make = Callable[[bool], Target]


@pytest.fixture(scope="module")
def make(guest: GuestHost, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Make:
    def build(test_points: bool) -> Target:
        folder = tmp_path_factory.mktemp("bundle")
        plan = pipeline.make_plan(PATCH, kernel=str(kernel.root), test_points=test_points)
        made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
        extract(made.path, folder / "files")
        return Target(guest, made.bundle, folder / "files")

    return build


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield Control(engine=Livepatch(guest), host=guest, timeout=120.0)
    assert guest.faults() == ()


@pytest.fixture
def threads(guest: GuestHost, make: Make) -> Iterator[None]:
    """Start them; one that enters the new function in the old universe sleeps there."""
    built = make(False)
    load_targets(guest, built.bundle, built.files)
    yield
    guest.write("/proc/caught", "release")
    assert guest.run(["rmmod", "caught"], limit=60.0).rc == 0


def inside(control: Control) -> int:
    return int(control.host.read("/proc/caught"))


def let_go(control: Control) -> None:
    control.host.write("/proc/caught", "release")
    end = time.monotonic() + 60.0
    while inside(control):
        assert time.monotonic() < end


def references(control: Control, module: str) -> int:
    return int(control.host.read(f"{abi.MODULES}/{module}/refcnt"))
