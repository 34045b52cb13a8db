# SPDX-License-Identifier: MIT
"""An entry of a thread that is freed while a preempted call still uses it is reported by KASAN. A
guest of its own, with full preemption: it is not sound afterwards."""

from pathlib import Path

from lppack.consistency import EngineName, ModeName, mode_named
from lppack.model import Kernel
from tests.kit.debug_checks import boot_checked, complaints
from tests.loads import spoilt
from tests.loads.driver import LOADS, measure
from tests.loads.matrix import build, loaded
from tests.loads.spoilt import Fault, Point

#: Longer than the engine takes from the end of a transition to the freeing of the entries.
DWELL_US = 3_000_000


def test_the_rude_flavour_alone_is_not_enough(
    kernel: Kernel, initramfs: Path, tmp_path: Path
) -> None:
    ko = spoilt.make(kernel, tmp_path / "engine")
    mode = mode_named(ModeName.HYBRID)
    patch = build("forms", kernel, EngineName.CONSISTENCY, mode, tmp_path)
    with boot_checked(
        kernel, work=tmp_path / "g", initramfs=initramfs, words=("preempt=full",)
    ) as host:
        with loaded(host, patch) as victim:
            for fault, dwell_us in ((Fault.NONE, 20_000), (Fault.RUDE_ONLY, DWELL_US)):
                with spoilt.spoilt(
                    host, ko, fault=fault, point=Point.AT_ENTRY, dwell_us=dwell_us
                ) as (control, used):
                    measure(control, victim, patch, mode.name, LOADS["starving"], flips=6)
                    assert used.dwelt() > 0
                if fault is Fault.NONE:
                    assert complaints(host) == ()
        assert any("KASAN: use-after-free in lpe_redirect" in one for one in complaints(host))
