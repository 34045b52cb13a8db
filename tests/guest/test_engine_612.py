# SPDX-License-Identifier: MIT
"""lppack's engine on Debian 13's kernel: each of its modes, under a load."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.consistency import ModeName, mode_named
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.apply import Control
from tests.kit.loaded import control, folder, patch, victim
from tests.kit.works import blocks, engine
from tests.loads import spoilt
from tests.loads.driver import LOADS, Patch, Victim, measure
from tests.loads.spoilt import Fault
from tests.loads.verdict import faults

pytestmark = pytest.mark.guest

__all__ = ["control", "engine", "folder", "patch", "victim"]  # fixtures


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return resolve(None, (releases_of("6.12"),))


@pytest.fixture(scope="module")
def guest(kernel: Kernel, folder: Path) -> Iterator[GuestHost]:  # noqa: F811
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=folder / "g", initramfs=initramfs) as host:
        yield host
        assert host.faults() == ()


@pytest.mark.parametrize("load", ["io_uring", "close"])
def test_a_mode_keeps_what_it_promises(
    control: Control,  # noqa: F811
    victim: Victim,  # noqa: F811
    patch: tuple[ModeName, Patch],  # noqa: F811
    load: str,
) -> None:
    mode, built = patch
    row = measure(control, victim, built, mode, LOADS[load], flips=2)
    assert list(faults(row, mode_named(mode))) == []
    assert (row.mixed > 0) is (mode is ModeName.NULL_MODEL), "what is allowed is seen"


@pytest.mark.parametrize("mode", [ModeName.KPATCH, ModeName.KGRAFT], ids=lambda mode: mode.value)
def test_a_task_work_that_blocks_holds_up_nothing(
    guest: GuestHost,
    engine: Path,  # noqa: F811
    victim: Victim,  # noqa: F811
    kernel: Kernel,
    folder: Path,  # noqa: F811
    mode: ModeName,
) -> None:
    with spoilt.spoilt(guest, engine, fault=Fault.NO_BUDGET) as (spoilt_control, _):
        blocks(spoilt_control, victim, kernel, folder, mode)
