# SPDX-License-Identifier: MIT
"""Guards of the generated code that are taken out are missed by the tests that watch them; more of
them in the soak."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import boot
from lppack.model import Kernel
from lppack.stages.apply import Control
from tests.guest import test_crowd
from tests.guest.controls import FEW, NOTHING, Guard, World, late

pytestmark = pytest.mark.guest


@pytest.fixture
def world(kernel: Kernel, initramfs: Path, tmp_path: Path) -> Iterator[World]:
    with boot(kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        control = Control(engine=Livepatch(host), host=host, timeout=20.0)
        yield World(control, host, kernel, tmp_path)


@pytest.mark.parametrize("guard", FEW, ids=lambda guard: guard.title)
def test_a_guard_that_is_taken_out_is_missed(guard: Guard, world: World) -> None:
    guard.check(world)


def test_where_nothing_is_spoilt_the_stories_hold(world: World) -> None:
    """The control of the controls: in the same way, with the code as it is."""
    late(world, world.target(NOTHING))
    test_crowd.test_memory_is_bounded_by_what_exists(world.control, world.crowd(NOTHING))
    assert world.host.faults() == ()
