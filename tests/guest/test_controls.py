# SPDX-License-Identifier: MIT
"""Guards of the generated code that are taken out are missed by the tests that watch them; more of
them in the soak."""

import pytest

from tests.guest import test_crowd
from tests.guest.controls import FEW, NOTHING, Guard, World, late, world

__all__ = ["world"]  # fixtures

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("guard", FEW, ids=lambda guard: guard.title)
def test_a_guard_that_is_taken_out_is_missed(guard: Guard, world: World) -> None:
    guard.check(world)


def test_where_nothing_is_spoilt_the_stories_hold(world: World) -> None:
    """The control of the controls: in the same way, with the code as it is."""
    late(world, world.target(NOTHING))
    test_crowd.test_memory_is_bounded_by_what_exists(world.control, world.crowd(NOTHING))
    assert world.host.faults() == ()
