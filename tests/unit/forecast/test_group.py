# SPDX-License-Identifier: MIT
"""Threads of one kind: the best guess, and how far it may be off."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lppack.forecast.group import Group, Part
from lppack.forecast.lengths import exponential, fixed, of_buckets
from lppack.forecast.sampler import SampledHook

HOOK = SampledHook.EXIT
PART = Part(function="f", inside=0.2, samples=1000.0, visits=50.0, lengths=exponential(2.0))
GROUP = Group(comm="web", kthread=False, threads=4, watched=60.0, parts=(PART,))


def dice() -> np.random.Generator:
    return np.random.default_rng(20141107)


def shares(group: Group, count: int = 1000) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    thrown = dice()
    return np.array([group.drawn_inside(thrown) for _ in range(count)])


def test_the_best_guess_has_the_share_that_was_seen() -> None:
    load = GROUP.load(HOOK)
    assert (load.threads, load.inside) == (4, 0.2)
    assert load.visits is not None and load.gaps is not None
    assert load.visits.mean == pytest.approx(2.0)
    assert load.gaps.mean == pytest.approx(8.0), "a fifth of a visit and a gap is the visit"


def test_of_two_functions_visits_are_mixed_by_how_often_they_are_entered() -> None:
    other = replace(PART, function="g", inside=0.2, lengths=fixed(1.0))
    load = replace(GROUP, parts=(PART, other)).load(HOOK)
    assert load.inside == pytest.approx(0.4)
    assert load.visits is not None
    assert load.visits.mean == pytest.approx((0.1 * 2.0 + 0.2 * 1.0) / 0.3)


@pytest.mark.parametrize(
    "parts", [(), (replace(PART, inside=0.0),), (replace(PART, lengths=None),)]
)
def test_who_is_never_seen_inside_holds_up_nothing(parts: tuple[Part, ...]) -> None:
    load = replace(GROUP, parts=parts).load(HOOK)
    assert (load.inside, load.visits, load.gaps) == (0.0, None, None)


def test_more_than_all_of_the_time_is_all_of_it() -> None:
    twice = replace(GROUP, parts=(replace(PART, inside=0.8), replace(PART, inside=0.8)))
    assert twice.inside == 1.0
    assert twice.load(HOOK).inside < 1.0, "a gap is left, however short"


def test_what_is_timeless() -> None:
    assert not GROUP.timeless
    unknown = replace(GROUP, parts=(replace(PART, lengths=None),))
    assert unknown.timeless
    assert not replace(unknown, stuck=True).timeless
    assert not replace(unknown, parts=(replace(PART, lengths=None, inside=0.0),)).timeless


def test_who_was_stuck_leaves_by_chance_and_not_in_the_best_guess() -> None:
    stuck = replace(GROUP, stuck=True)
    assert stuck.load(HOOK).visits is None
    drawn = stuck.load(HOOK, dice())
    assert (drawn.inside, drawn.gaps) == (1.0, None)
    assert drawn.visits is not None and drawn.visits.mean > 0
    assert replace(stuck, watched=None).load(HOOK, dice()).visits is None
    assert replace(stuck, watched=None).leaving(dice()) == math.inf


def test_the_longer_it_was_watched_the_less_often_one_leaves() -> None:
    short, long = replace(GROUP, watched=1.0), replace(GROUP, watched=1000.0)
    assert short.leaving(dice()) == pytest.approx(1000 * long.leaving(dice()))


def test_a_drawn_share_is_about_the_one_that_was_seen() -> None:
    drawn = shares(GROUP)
    assert drawn.min() > 0 and drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.2, abs=0.01)


def test_more_visits_leave_less_open_and_more_samples_of_few_do_not() -> None:
    """A thousand samples of one long sleep are one observation."""
    few, many = (replace(GROUP, parts=(replace(PART, visits=n),)) for n in (3.0, 3000.0))
    assert shares(few).std() > 4 * shares(many).std()
    sampled = replace(GROUP, parts=(replace(PART, visits=3.0, samples=1e9),))
    assert shares(sampled).std() == pytest.approx(shares(few).std(), rel=0.2)


def test_how_threads_differ_is_left_open() -> None:
    alike, unlike = (replace(GROUP, spread=spread) for spread in (0.0, 0.1))
    assert shares(unlike).std() == pytest.approx(math.sqrt(0.1 / 4), rel=0.1)
    assert shares(unlike).std() > shares(alike).std()


def test_never_seen_in_so_many_samples_is_not_never() -> None:
    unseen = replace(GROUP, parts=(replace(PART, inside=0.0, samples=100.0),))
    assert 0 < shares(unseen).mean() < 0.02
    known = replace(GROUP, parts=(replace(PART, inside=0.0, samples=math.inf),))
    assert shares(known).max() == 0.0
    always = replace(GROUP, parts=(replace(PART, inside=1.0),))
    assert shares(always).min() == 1.0


@pytest.mark.parametrize("visits", [1.0, 40.0])
def test_lengths_of_a_histogram_are_drawn_within_it(visits: float) -> None:
    lengths = of_buckets([(1, 2, 5), (2, 4, 0), (4, 8, 1)])
    part = replace(PART, lengths=lengths, visits=visits, histogram=True)
    load = replace(GROUP, parts=(part,)).load(HOOK, dice())
    assert load.visits is not None
    assert load.visits.low.min() >= 1 and load.visits.high.max() <= 8
    assert float(load.visits.weight.sum()) == pytest.approx(1.0)
