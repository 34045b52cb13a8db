# SPDX-License-Identifier: MIT
"""Conversion of what softirqs and interrupts use, make and free all the time, and back."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply, stop_conversion
from lppack.stages.bundle import extract
from lppack.stages.revert import find, revert, unpatch

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]

PATCH = Path(__file__).parent / "patches/ticks"
ROUNDS = 4


class Pools:
    def __init__(self, host: GuestHost) -> None:
        self.host = host

    def __getitem__(self, what: str) -> dict[str, int]:
        """Of the pools soft and hard: "now", "new", "made" or "wrong"."""
        rows = re.findall(
            r"(\w+) (\d+) new (\d+) made (\d+) wrong (\d+)", self.host.read("/proc/ticks")
        )
        column = ("now", "new", "made", "wrong").index(what) + 1
        return {row[0]: int(row[column]) for row in rows}

    def wait_for_made(self, more: int) -> None:
        wanted = {name: count + more for name, count in self["made"].items()}
        end = time.monotonic() + 60
        while any(self["made"][name] < count for name, count in wanted.items()):
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.fixture
def pools(guest: GuestHost, bundle: Bundle, tmp_path: Path) -> Iterator[Pools]:
    guest.put(tmp_path / "b/test/targets/ticks.ko", "/tmp/ticks.ko", mode=0o600)
    assert guest.run(["insmod", "/tmp/ticks.ko"], limit=20.0).rc == 0
    yield Pools(guest)
    assert guest.run(["rmmod", "ticks"], limit=20.0).rc == 0


@pytest.fixture
def bundle(kernel: Kernel, tmp_path: Path) -> Bundle:
    plan = pipeline.make_plan(PATCH, kernel=str(kernel.root))
    made = pipeline.make_bundle(plan, tmp_path, builder="docker", on_line=lambda _line: None)
    extract(made.path, tmp_path / "b")
    return made.bundle


def test_rounds_of_conversion_under_interrupts(
    control: Control, bundle: Bundle, pools: Pools, tmp_path: Path
) -> None:
    apply(control, bundle, tmp_path / "b/lppack_ticks_1.ko", convert=False)
    for _ in range(ROUNDS):
        control.engine.convert(bundle.module, on=True)
        pools.wait_for_made(1000)
        assert min(pools["new"].values()) > 0, "or nothing was tried"
        assert control.engine.state(bundle.module).converted > 0
        assert stop_conversion(control, bundle.module, 30.0)
        assert pools["new"] == {"soft": 0, "hard": 0}
        assert control.engine.state(bundle.module).converted == 0
    control.engine.convert(bundle.module, on=True)
    pools.wait_for_made(100)
    unpatch(control, find(control, "ticks"))
    pools.wait_for_made(100)
    assert pools["wrong"] == {"soft": 0, "hard": 0}, "old code has never seen new data"
    revert(control, "ticks")


def test_the_target_goes_while_it_is_converted(
    control: Control, bundle: Bundle, pools: Pools, guest: GuestHost, tmp_path: Path
) -> None:
    apply(control, bundle, tmp_path / "b/lppack_ticks_1.ko")
    for _ in range(3):
        pools.wait_for_made(200)
        assert guest.run(["rmmod", "ticks"], limit=20.0).rc == 0
        assert control.engine.state(bundle.module).converted == 0
        assert guest.run(["insmod", "/tmp/ticks.ko"], limit=20.0).rc == 0
    revert(control, "ticks")
    assert pools["new"] == {"soft": 0, "hard": 0}
