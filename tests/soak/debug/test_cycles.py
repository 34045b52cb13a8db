# SPDX-License-Identifier: MIT
"""Cycles on the debug kernel: nothing leaks."""

import pytest

from lppack.consistency import ModeName
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from tests.loads import spoilt
from tests.loads.cycles import run_cycles

#: Documentation/dev-tools/kmemleak.rst (v6.1). An object is reported that two scans have not found.
KMEMLEAK = "/sys/kernel/debug/kmemleak"


@pytest.mark.parametrize("mode", [ModeName.REFCOUNT, ModeName.KGRAFT])
def test_cycles_leak_nothing(
    guest: GuestHost, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory, mode: ModeName
) -> None:
    folder = tmp_path_factory.mktemp(mode)
    ko = spoilt.make(kernel, folder / "engine")
    guest.write(KMEMLEAK, "clear")  # what the kernel itself has lost so far
    assert run_cycles(guest, kernel, ko, folder, mode, 5) > 0
    for _ in range(2):
        guest.write(KMEMLEAK, "scan")
    assert guest.read(KMEMLEAK) == ""
