# SPDX-License-Identifier: MIT
"""A module laid out as kpatch-build does it: adopted, applied, reverted; or loaded by kpatch."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.engines.kernel import KernelEngines
from lppack.errors import ApplyRefused
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages import adopt as stage
from lppack.stages.adopt import ADOPTED, as_bundle, build_of, installed
from lppack.stages.apply import Control, settle
from lppack.stages.changing import changing
from lppack.stages.journal import Journal
from lppack.stages.revert import revert
from lppack.stages.status import PatchReport, status

pytestmark = pytest.mark.guest

NAME = "kpatch_cmdline"
SOURCES = Path(__file__).parent / "programs/kpatch"


@pytest.fixture(scope="module")
def ko(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("k")
    shutil.copytree(SOURCES, work / "m")
    with ContainerBuilder().open(work, kernel) as site:
        done = site.run([*kbuild_argv(site, kernel, "m"), "modules"], limit=300.0)
    assert done.ok, done.summary(tail=30)
    return work / "m" / f"{NAME}.ko"


@pytest.fixture
def kept(guest: GuestHost, tmp_path: Path) -> Iterator[Control]:
    """The shared guest as a host that keeps a journal."""
    guest.close()  # one at a time talks to it
    host = GuestHost("guest", guest.console.parent, lock=tmp_path / "lock")
    yield Control(engine=KernelEngines(host), host=host, timeout=60.0)
    host.run(["rm", "-rf", "/var/lib/lppack"], limit=20.0)
    host.close()


def adopt(control: Control, ko: Path) -> PatchReport:
    bundle = as_bundle(control, ko, ko.read_bytes())
    intent = {"series": bundle.series, "module": bundle.module, "engine": "livepatch"}
    with changing(control, f"apply {ko.name}", intent) as alone:
        report = stage.adopt(alone, bundle, ko, build=build_of(ko.read_bytes()) or "")
    assert report is not None
    return report


def take_back(control: Control) -> PatchPhase:
    with changing(control, f"revert {NAME}", {"series": NAME}) as alone:
        return revert(alone, NAME).phase


def test_it_is_applied_and_reverted(kept: Control, ko: Path) -> None:
    before = kept.host.read("/proc/cmdline")
    assert adopt(kept, ko).phase is PatchPhase.PATCHED
    assert kept.host.read("/proc/cmdline") == "patched by kpatch\n"
    (shown,) = status(kept.engine, "guest")
    assert (shown.module, shown.series, shown.phase) == (NAME, None, PatchPhase.PATCHED)
    assert adopt(kept, ko).changed is False
    assert take_back(kept) is PatchPhase.ABSENT
    assert kept.host.read("/proc/cmdline") == before
    records = Journal(kept.host).history(10)
    assert [(r.command, r.result) for r in records] == [("apply", "done"), ("revert", "done")]


def test_what_kpatch_has_loaded_is_taken_over(kept: Control, ko: Path) -> None:
    release = kept.host.read("/proc/sys/kernel/osrelease").strip()
    place = f"/var/lib/kpatch/{release}/{NAME}.ko"
    kept.host.put(ko, place)
    assert installed(kept) == (place,)
    assert kept.host.run(["insmod", place], limit=60.0).rc == 0
    assert settle(kept, NAME, PatchPhase.PATCHED, 30.0)[0].phase is PatchPhase.PATCHED
    with pytest.raises(ApplyRefused) as caught:
        take_back(kept)
    assert caught.value.reason == "not-lppacks"
    assert "lppack adopt" in str(caught.value.hint)
    assert adopt(kept, ko).changed is False
    assert NAME in kept.host.read(ADOPTED)
    assert take_back(kept) is PatchPhase.ABSENT
