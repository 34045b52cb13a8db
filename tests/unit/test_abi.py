# SPDX-License-Identifier: MIT
import pytest

from lppack import abi
from lppack.abi import PatchPhase, phase_of


@pytest.mark.parametrize(
    ("loaded", "enabled", "transition", "phase"),
    [
        (False, None, False, PatchPhase.ABSENT),
        (True, None, False, PatchPhase.UNPATCHED),
        (True, True, True, PatchPhase.PATCHING),
        (True, True, False, PatchPhase.PATCHED),
        (True, False, True, PatchPhase.UNPATCHING),
        (True, False, False, PatchPhase.UNPATCHED),
    ],
)
def test_phase_of_what_the_kernel_shows(
    loaded: bool, enabled: bool | None, transition: bool, phase: PatchPhase
) -> None:
    assert phase_of(loaded=loaded, enabled=enabled, transition=transition) is phase


def test_paths() -> None:
    assert abi.patch_attribute("m", "enabled") == "/sys/kernel/livepatch/m/enabled"
    assert abi.parameter("m", "convert") == "/sys/module/m/parameters/convert"
