# SPDX-License-Identifier: MIT
"""Many threads make, use and free what is converted and reversed: the target's list of members in
the new form is compared with the glue's list of what it tracks, and allocations are counted."""

import pytest

from lppack.abi import PatchPhase
from lppack.stages.apply import Control, apply, stop_conversion
from lppack.stages.revert import revert
from tests.kit.crowd import WANTED, Crowd, crowd, made, run_rounds

__all__ = ["crowd", "made"]  # fixtures

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]

ROUNDS = 4
FIXED = 8  # members that are a part of the target; one of them refuses to be converted


def test_rounds_under_load(control: Control, crowd: Crowd) -> None:
    counts = run_rounds(control, crowd, ROUNDS)
    assert min(counts[kind] for kind in ("converted", "born_new", "freed_new")) >= ROUNDS * WANTED


def test_what_cannot_be_tracked_stays_old(control: Control, crowd: Crowd) -> None:
    apply(control, crowd.bundle, crowd.ko)
    crowd.hold("no-memory")
    crowd.step(1000)
    assert crowd.members("new") == set()
    assert crowd.parameter("left_old") >= 500 and crowd.parameter("converted") == 0
    assert crowd.allocated() == 0
    crowd.hold("")
    crowd.step(4000)  # the next access tries again
    assert crowd.members("new") == crowd.tracked()
    assert len(crowd.members("old")) == 1, "forward refused it"
    # The way back needs no memory.
    crowd.hold("no-memory")
    assert stop_conversion(control, crowd.bundle.module, 30.0)
    assert crowd.members("new") == set() and crowd.allocated() == 0
    crowd.hold("")


def test_memory_is_bounded_by_what_exists(control: Control, crowd: Crowd) -> None:
    """An object that is freed takes its entry and its shadow variable with it."""
    apply(control, crowd.bundle, crowd.ko)
    crowd.step(20_000)
    counts = crowd.counts()
    assert counts["freed_new"] > 1000
    assert crowd.allocated() <= 2 * (counts["existing"] + FIXED)
    crowd.step(0)
    assert crowd.members("new") == crowd.tracked()
    assert len(crowd.tracked()) == FIXED - 1, "those in slots are gone"
    assert crowd.allocated() == 2 * (FIXED - 1)


def test_members_that_are_a_part_of_the_target_go_with_it(control: Control, crowd: Crowd) -> None:
    """Nobody frees them: what is tracked is dropped where the module goes, and never reversed."""
    apply(control, crowd.bundle, crowd.ko)
    for _ in range(3):
        crowd.step(2000)
        assert len(crowd.tracked()) > FIXED
        before = crowd.counts()["reversed"]
        crowd.rmmod()
        assert crowd.tracked() == set() and crowd.allocated() == 0
        assert crowd.parameter("converted") == 0 and crowd.parameter("convert") == 1
        crowd.insmod()
        assert (before, crowd.counts()["reversed"]) == (0, 0)
    revert(control, crowd.bundle.series)
    assert control.engine.state(crowd.bundle.module).phase is PatchPhase.ABSENT
