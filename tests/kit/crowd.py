# SPDX-License-Identifier: MIT
"""The target crowd under load: rounds of apply, convert and revert, and what is counted."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lppack import abi, pipeline
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply, stop_conversion
from lppack.stages.bundle import extract
from lppack.stages.revert import revert
from tests.kit.command import ROOT

THREADS = 8
WANTED = 1000  # of each kind, in each round
_KINDS = ("converted", "born_new", "freed_new")
_LOOP = "while [ -e /tmp/go ]; do echo 20 > /proc/crowd; done > /dev/null 2>&1 & "


class Crowd:
    """The target in a guest, with a patch that was built with test points."""

    def __init__(self, host: GuestHost, bundle: Bundle, files: Path) -> None:
        self.host = host
        self.bundle = bundle
        self.ko = files / f"{bundle.module}.ko"
        host.put(files / "test/targets/crowd.ko", "/tmp/crowd.ko", mode=0o600)

    def sh(self, command: str) -> int:
        return self.host.run(["/bin/sh", "-c", command], limit=60.0).rc

    def insmod(self) -> None:
        assert self.host.run(["insmod", "/tmp/crowd.ko"], limit=20.0).rc == 0

    def rmmod(self) -> None:
        assert self.host.run(["rmmod", "crowd"], limit=60.0).rc == 0

    def step(self, count: int) -> None:
        """By one thread; 0 empties all slots, and waits for the grace period."""
        self.host.write("/proc/crowd", str(count))

    def counts(self) -> dict[str, int]:
        rows = (line.split() for line in self.host.read("/proc/crowd").splitlines())
        return {row[0]: int(row[1]) for row in rows if row[0] != "member"}

    def members(self, form: str) -> set[str]:
        """The addresses of those in that form."""
        rows = (line.split() for line in self.host.read("/proc/crowd").splitlines())
        return {row[1] for row in rows if row[0] == "member" and row[2] == form}

    def _module_says(self) -> list[list[str]]:
        text = self.host.read(f"/proc/{self.bundle.module}")
        return [line.split() for line in text.splitlines()]

    def tracked(self) -> set[str]:
        return {row[1] for row in self._module_says() if row[0] == "tracked"}

    def allocated(self) -> int:
        """Entries and shadow variables that the module holds."""
        return next(int(row[1]) for row in self._module_says() if row[0] == "allocated")

    def hold(self, point: str) -> None:
        self.host.write(f"/proc/{self.bundle.module}", point or "\n")

    def parameter(self, name: str) -> int:
        return int(self.host.read(abi.parameter(self.bundle.module, name)))

    @contextmanager
    def load(self) -> Iterator[None]:
        """Threads make, use and free members all the time."""
        self.sh("touch /tmp/go; " + _LOOP * THREADS)
        try:
            yield
        finally:
            self.sh("rm -f /tmp/go")
            self.until(lambda: self.sh("grep -q -w crowd_write /proc/[0-9]*/stack") != 0)

    def until(self, seen: Callable[[], bool]) -> None:
        end = time.monotonic() + 300
        while not seen():
            assert time.monotonic() < end
            time.sleep(0.2)

    def wait_for(self, more: int) -> None:
        """Until so many more were converted, born new, and freed in the new form."""
        before = self.counts()
        self.until(lambda: all(self.counts()[kind] - before[kind] >= more for kind in _KINDS))


def run_rounds(control: Control, crowd: Crowd, rounds: int) -> dict[str, int]:
    """What was counted; asserts that both lists agree in the middle of each round, that nothing is
    left at its end, and that original code never met the new form."""
    for _ in range(rounds):
        with crowd.load():
            apply(control, crowd.bundle, crowd.ko)
            crowd.wait_for(WANTED)
        assert crowd.members("new"), "or there is nothing to compare"
        assert crowd.members("new") == crowd.tracked()
        assert crowd.parameter("converted") == len(crowd.tracked())
        assert crowd.allocated() == 2 * len(crowd.tracked()), "one entry, one shadow variable"
        with crowd.load():
            assert stop_conversion(control, crowd.bundle.module, 60.0)
            assert crowd.allocated() == 0
            assert crowd.members("new") == set()
            control.engine.convert(crowd.bundle.module, on=True)
            crowd.wait_for(10)
            revert(control, crowd.bundle.series)
            assert crowd.members("new") == set()
    crowd.step(0)
    counts = crowd.counts()
    assert counts["existing"] == 0, "after rcu_barrier()"
    assert counts["wrong"] == 0
    assert counts["converted"] == counts["reversed"] + counts["freed_new"]
    return counts


PATCH = ROOT / "tests/guest/patches/crowd"


@pytest.fixture(scope="module")
def made(guest: GuestHost, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    folder = tmp_path_factory.mktemp("crowd")
    plan = pipeline.make_plan(PATCH, kernel=str(kernel.root), test_points=True)
    built = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
    extract(built.path, folder / "files")
    return Crowd(guest, built.bundle, folder / "files")


@pytest.fixture
def crowd(made: Crowd) -> Iterator[Crowd]:
    made.insmod()
    yield made
    made.rmmod()
