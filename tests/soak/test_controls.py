# SPDX-License-Identifier: MIT
"""tests/guest/test_controls.py for every guard; by hand: invoke soak controls."""

import pytest

from tests.guest.controls import (
    FEW,
    MORE,
    Guard,
    World,
    world,  # noqa: F401 (fixtures)
)


@pytest.mark.parametrize("guard", (*FEW, *MORE), ids=lambda guard: guard.title)
def test_a_guard_that_is_taken_out_is_missed(guard: Guard, world: World) -> None:  # noqa: F811
    guard.check(world)
