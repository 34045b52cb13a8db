# SPDX-License-Identifier: MIT
import pytest

from lppack import abi
from lppack.abi import Phase, phase_of


@pytest.mark.parametrize(
    ("loaded", "enabled", "transition", "phase"),
    [
        (False, None, False, Phase.ABSENT),
        (True, None, False, Phase.UNPATCHED),
        (True, True, True, Phase.PATCHING),
        (True, True, False, Phase.PATCHED),
        (True, False, True, Phase.UNPATCHING),
        (True, False, False, Phase.UNPATCHED),
    ],
)
def test_phase_of_what_the_kernel_shows(
    loaded: bool, enabled: bool | None, transition: bool, phase: Phase
) -> None:
    assert phase_of(loaded=loaded, enabled=enabled, transition=transition) is phase


def test_paths() -> None:
    assert abi.patch_attribute("m", "enabled") == "/sys/kernel/livepatch/m/enabled"
    assert abi.parameter("m", "convert") == "/sys/module/m/parameters/convert"
