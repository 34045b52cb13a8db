# SPDX-License-Identifier: MIT
"""Again and again under a load, and nothing is left; by hand: invoke soak cycles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.engines.kernel import KernelEngines
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.changing import changing
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from lppack.stages.test import load_targets
from tests.kit.command import EXAMPLES
from tests.kit.residue import grown, residue
from tests.loads import spoilt
from tests.loads.cycles import run_cycles
from tests.loads.driver import Patch
from tests.loads.matrix import build_from

pytestmark = pytest.mark.guest

CYCLES = 500
_SPOILT_CYCLES = 200
_WARM = 20  # cycles, until caches are as large as they get
_LOAD = """
for name in web mail; do
	while [ ! -e /tmp/stop ]; do
		echo "syn $name" > /proc/conn
		cat /proc/conn /proc/conn_limit
		echo "reset $name" > /proc/conn
	done > /dev/null 2>&1 &
done
"""


@pytest.fixture
def kept(guest: GuestHost, tmp_path: Path) -> Iterator[Control]:
    """The shared guest as a host that keeps a journal."""
    guest.close()  # one at a time talks to it
    host = GuestHost("guest", guest.console.parent, lock=tmp_path / "lock")
    yield Control(engine=KernelEngines(host), host=host, timeout=120.0)
    host.run(["rm", "-rf", "/var/lib/lppack", "/tmp/stop"], limit=60.0)
    host.close()


@contextmanager
def loaded(control: Control, patch: Patch) -> Iterator[None]:
    """The target and a load on it."""
    host = control.host
    load_targets(host, patch.bundle, patch.ko.parent)
    host.run(["/bin/sh", "-c", _LOAD], limit=30.0)
    yield
    host.run(["/bin/sh", "-c", "touch /tmp/stop; sleep 1; rmmod conn"], limit=60.0)


def cycle(control: Control, patch: Patch) -> None:
    """Apply, convert, revert; as three commands, each with lock and journal."""
    series = patch.bundle.series
    with changing(control, "apply x.lpp", {"series": series}) as alone:
        assert apply(alone, patch.bundle, patch.ko, convert=False).phase is PatchPhase.PATCHED
    with changing(control, f"convert {series}", {"series": series}) as alone:
        assert convert(alone, series).conversion == "on"
    with changing(control, f"revert {series}", {"series": series}) as alone:
        assert revert(alone, series).phase is PatchPhase.ABSENT


@pytest.mark.parametrize(
    ("engine", "mode"),
    [(EngineName.LIVEPATCH, ModeName.HYBRID), (EngineName.CONSISTENCY, ModeName.KPATCH)],
)
def test_apply_convert_and_revert_leave_nothing(
    kept: Control, kernel: Kernel, tmp_path: Path, engine: EngineName, mode: ModeName
) -> None:
    patch = build_from(EXAMPLES / "conn-limit", kernel, engine, mode_named(mode), tmp_path / "p")
    control = replace(kept, engine=KernelEngines(kept.host, engine))
    host = control.host
    assert isinstance(host, GuestHost)
    with loaded(control, patch):
        for _ in range(_WARM):
            cycle(control, patch)
        before = residue(host)
        for number in range(CYCLES):
            cycle(control, patch)
            assert host.faults() == (), number
        assert grown(before, residue(host), CYCLES) == {}
        # What is left each time is found: a process, with its files and its part of each slab.
        before = residue(host)
        for _ in range(_WARM):
            host.run(["/bin/sh", "-c", "sleep 1000 > /dev/null 2>&1 &"], limit=30.0)
        assert {"processes", "task_struct"} <= {*grown(before, residue(host), _WARM)}
        host.run(["killall", "sleep"], limit=30.0)


@pytest.mark.parametrize("mode", [ModeName.KPATCH, ModeName.REFCOUNT, ModeName.KGRAFT])
def test_no_thread_mixes_forms_in_two_hundred_cycles(
    guest: GuestHost, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory, mode: ModeName
) -> None:
    folder = tmp_path_factory.mktemp(mode)
    ko = spoilt.make(kernel, folder / "engine")
    assert run_cycles(guest, kernel, ko, folder, mode, _SPOILT_CYCLES) > 0
