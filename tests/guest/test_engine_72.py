# SPDX-License-Identifier: MIT
"""lppack's engine on a kernel whose way out to user space is inlined: of Debian 13's backports."""

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
from tests.kit.loaded import control, folder, made, victim
from tests.loads.driver import LOADS, Victim, measure
from tests.loads.verdict import faults

pytestmark = pytest.mark.guest

__all__ = ["control", "folder", "victim"]  # fixtures


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return resolve(None, (releases_of("7.2"),))


@pytest.fixture(scope="module")
def guest(kernel: Kernel, folder: Path) -> Iterator[GuestHost]:  # noqa: F811
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=folder / "g", initramfs=initramfs) as host:
        yield host
        assert host.faults() == ()


@pytest.mark.parametrize(
    ("mode", "name", "loads"),
    [
        (ModeName.KPATCH, "visits", ("close",)),
        # It never ends if the exit of an interrupt is not known,
        (ModeName.KGRAFT, "forms", ("spin", "close")),
        # nor this, if a debugger's stop is not.
        (ModeName.CHECKPOINT, "visits", ("traced",)),
    ],
    ids=lambda value: value.value if isinstance(value, ModeName) else "",
)
def test_a_mode_keeps_what_it_promises(
    control: Control,  # noqa: F811
    victim: Victim,  # noqa: F811
    kernel: Kernel,
    folder: Path,  # noqa: F811
    mode: ModeName,
    name: str,
    loads: tuple[str, ...],
) -> None:
    built = made(kernel, mode, name, folder / mode)
    for load in loads:
        row = measure(control, victim, built, mode, LOADS[load], flips=2)
        assert list(faults(row, mode_named(mode))) == []
        assert row.visits > 0
