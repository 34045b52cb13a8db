# SPDX-License-Identifier: MIT
"""What a transition that does not end costs those who have nothing to do with it."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control, settle, unload
from lppack.stages.test import load_targets
from tests.kit.wide import wide
from tests.loads import spoilt
from tests.loads.driver import LOADS, Patch, Victim, statistics
from tests.loads.matrix import build, build_from, loaded
from tests.loads.spoilt import Fault

pytestmark = pytest.mark.guest

#: Seconds of a stall, after the first one.
LENGTH = 20.0
#: Nobody beside the bystander.
FEW = replace(LOADS["bystander"], visitors=0, in_flight=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def engine(kernel: Kernel, folder: Path) -> Path:
    return spoilt.make(kernel, folder / "engine")


@pytest.fixture(scope="module", params=[ModeName.KPATCH, ModeName.REFCOUNT], ids=str)
def patch(request: pytest.FixtureRequest, kernel: Kernel, folder: Path) -> Patch:
    mode = mode_named(request.param)
    return build("visits", kernel, EngineName.CONSISTENCY, mode, folder / request.param)


@pytest.fixture(scope="module")
def victim(guest: GuestHost, patch: Patch) -> Iterator[Victim]:
    with loaded(guest, patch) as victim:
        yield victim


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Of the time that a transition stalls."""

    held: float  # a bystander is, by what looks at it
    closed: float  # a gate is, by what the engine says
    stopped: float  # the machine is


def stall(control: Control, victim: Victim, patch: Patch, *, restless: bool) -> Shares:
    module = patch.bundle.module
    with victim.under(FEW):
        with victim.held(restless=restless):
            control.engine.load(module, patch.ko)
            time.sleep(1.0)
            before, told = victim.counts(), statistics(victim.host, module)
            time.sleep(LENGTH)
            after, tells = victim.counts(), statistics(victim.host, module)
            assert control.engine.state(module).phase is PatchPhase.PATCHING, "it stalls"
        state, _ = settle(control, module, PatchPhase.PATCHED, 60.0)
        assert state.phase is PatchPhase.PATCHED, "when the last has left it ends"
        control.engine.reverse(module)
        assert settle(control, module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
        victim.tell("old")
        assert unload(control, module)
    looks = after["watched"] - before["watched"]
    assert looks > LENGTH * 10
    passed = tells["moving_ns"] - told["moving_ns"]
    found = Shares(
        held=(after["stood"] - before["stood"]) / looks,
        closed=(tells["closed_ns"] - told["closed_ns"]) / passed,
        stopped=(tells["stopped_ns"] - told["stopped_ns"]) / passed,
    )
    sys.stdout.write(f"{found}\n")  # pytest -rP
    return found


@pytest.mark.parametrize("restless", [False, True], ids=["asleep", "restless"])
def test_who_has_nothing_to_do_with_it_is_hardly_held(
    guest: GuestHost, victim: Victim, engine: Path, patch: Patch, restless: bool
) -> None:
    """While one thread sleeps in the patched set no gate helps, and none is closed; where it wakes
    up again and again, gates are closed for a small share of the time."""
    with spoilt.spoilt(guest, engine, fault=Fault.NONE) as (control, _):
        found = stall(control, victim, patch, restless=restless)
    assert found.held < 0.05
    assert found.closed < 0.05
    assert found.stopped < 0.02


def test_without_a_budget_it_would_be(
    guest: GuestHost, victim: Victim, engine: Path, patch: Patch
) -> None:
    """The control; and what the engine tells of itself is what is seen."""
    with spoilt.spoilt(guest, engine, fault=Fault.NO_BUDGET) as (control, _):
        found = stall(control, victim, patch, restless=False)
    assert found.held > 0.3
    assert found.closed > 0.3


THREADS, FUNCTIONS = 1000, 100


def test_many_threads_and_functions_are_looked_at_in_little_time(
    guest: GuestHost, kernel: Kernel, engine: Path, tmp_path: Path
) -> None:
    mode = mode_named(ModeName.HYBRID)
    manifest = wide(tmp_path / "wide", FUNCTIONS)
    built = build_from(manifest, kernel, EngineName.CONSISTENCY, mode, tmp_path / "made")
    module = built.bundle.module
    load_targets(guest, built.bundle, built.ko.parent)

    def sh(words: str) -> None:
        assert guest.run(["/bin/sh", "-c", words], limit=300.0).rc == 0

    sh(f"for i in $(seq {THREADS}); do sleep 1000 > /dev/null 2>&1 & done")
    sh("cat /proc/wide > /dev/null 2>&1 &")
    with spoilt.spoilt(guest, engine) as (control, _):
        control.engine.load(module, built.ko)
        time.sleep(LENGTH)
        told = statistics(guest, module)
        assert control.engine.state(module).phase is PatchPhase.PATCHING, "it stalls"
        sh(
            "for one in /proc/[0-9]*; do read -r comm < $one/comm; case $comm in cat | sleep) "
            "kill -KILL ${one#/proc/} ;; esac; done 2> /dev/null; true"
        )
        assert settle(control, module, PatchPhase.PATCHED, 60.0)[0].phase is PatchPhase.PATCHED
        control.engine.reverse(module)
        assert settle(control, module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
        assert unload(control, module)
    sh("rmmod wide")
    stopped = told["stopped_ns"] / told["moving_ns"]
    sys.stdout.write(f"{told['stops']} stops, {stopped:.4f} of the time\n")
    assert told["stops"] > 3
    assert stopped < 0.02
