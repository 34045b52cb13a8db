# SPDX-License-Identifier: MIT
"""Load, apply, revert and unload, again and again under a load; by hand: invoke soak cycles."""

import pytest

from lppack.consistency import ModeName
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from tests.loads import spoilt
from tests.loads.cycles import run_cycles

CYCLES = 200


@pytest.mark.guest
@pytest.mark.parametrize("mode", [ModeName.KPATCH, ModeName.REFCOUNT, ModeName.KGRAFT])
def test_two_hundred_cycles(
    guest: GuestHost, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory, mode: ModeName
) -> None:
    folder = tmp_path_factory.mktemp(mode)
    ko = spoilt.make(kernel, folder / "engine")
    assert run_cycles(guest, kernel, ko, folder, mode, CYCLES) > 0
