# SPDX-License-Identifier: MIT
"""The stories that tests/guest/test_conformance.py holds the real engines to."""

import pytest

from lppack.consistency import ModeName
from tests.conformance.draw import ends_badly, inside_at_apply, story
from tests.conformance.memory import InMemory
from tests.conformance.story import Record, play, side_by_side
from tests.kit.stories import FEW, SEEDS
from tests.unit.checker.mutations import mutated

HYBRID, KPATCH, KGRAFT = ModeName.HYBRID, ModeName.KPATCH, ModeName.KGRAFT

#: Faults of the simulator that the stories of CI, in that mode, show.
SHOWN = (
    ("skip-the-check", HYBRID),
    ("idle-threads-forgotten", HYBRID),
    ("new-waits", HYBRID),
    ("completes-early", HYBRID),
    ("converts-all", HYBRID),
    ("no-registry", HYBRID),
    ("skip-the-check", KPATCH),
    ("new-waits-for-data", KPATCH),
    ("completes-early", KPATCH),
    ("out-of-p-is-enough", KGRAFT),
)


def seeds(mode: ModeName) -> range:
    return SEEDS if mode is HYBRID else FEW


def played(seed: int, mode: ModeName, fault: str | None = None) -> Record:
    return play(story(seed, mode), InMemory(mode, mutated(fault) if fault else None))


def test_the_stories_are_hard_enough() -> None:
    stories = [story(seed, HYBRID) for seed in SEEDS]
    assert len(stories) >= 20
    assert len({told.steps for told in stories}) == len(stories)
    inside = [told for told in stories if inside_at_apply(told)]
    badly = [seed for seed in SEEDS if ends_badly(played(seed, HYBRID))]
    assert len(inside) * 2 >= len(stories)
    assert len(badly) * 4 >= len(stories)
    ends = {played(seed, HYBRID).verdicts[-1].split(": ")[1].split(" ")[0] for seed in badly}
    assert ends == {"timed", "refused"}


@pytest.mark.parametrize("mode", [HYBRID, KPATCH, KGRAFT, ModeName.CHECKPOINT])
def test_a_story_is_the_same_each_time(mode: ModeName) -> None:
    for seed in FEW:
        assert story(seed, mode) == story(seed, mode)
        assert played(seed, mode).lines == played(seed, mode).lines


@pytest.mark.parametrize(("fault", "mode"), SHOWN)
def test_a_fault_of_the_simulator_makes_stories_differ(fault: str, mode: ModeName) -> None:
    assert any(played(s, mode).lines != played(s, mode, fault).lines for s in seeds(mode))


def test_a_difference_shows_both_logs_side_by_side() -> None:
    right, wrong = played(3, HYBRID), played(3, HYBRID, "skip-the-check")
    text = side_by_side("seed 3", ("simulated", right), ("livepatch", wrong)).splitlines()
    assert text[0] == "seed 3"
    assert text[1].split("|")[0].strip() == "simulated"
    assert len(text) == 2 + len(right.lines)
    marked = [line for line in text if line.startswith("->")]
    assert "engine load: done [patching, waits for T2 T3]" in marked[0]
    assert marked[0].endswith("engine load: done [patched]")
    assert "   T0 enter: enters [absent]" in text[2]
