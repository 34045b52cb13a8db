# SPDX-License-Identifier: MIT
"""A length as a random variable: what is drawn is what is described."""

import math

import numpy as np
import pytest

from lppack.forecast.lengths import (
    Lengths,
    exponential,
    fixed,
    lognormal,
    of_buckets,
)

DICE = np.random.default_rng(20141107)


@pytest.mark.parametrize(
    "made",
    [
        exponential(2.0),
        lognormal(2.0, 1.2),
        fixed(2.0),
        of_buckets([(1, 2, 3.0), (2, 6, 2.0)], 2.2),
    ],
)
def test_lengths_are_drawn_as_they_are_described(made: Lengths) -> None:
    drawn, rest = made.draw(DICE, 400_000), made.rest(DICE, 400_000)
    assert drawn.mean() == pytest.approx(made.mean, rel=0.02)
    assert drawn.var() / made.mean**2 == pytest.approx(made.variation, rel=0.1, abs=1e-9)
    assert rest.mean() == pytest.approx(made.mean_rest(), rel=0.02)
    assert np.minimum(rest, 1.5).mean() == pytest.approx(made.mean_rest(1.5), rel=0.02)
    for moment in (0.3, 1.7, 4.0):
        (beyond,) = made.rest_beyond(np.array([moment]))
        assert (rest > moment).mean() == pytest.approx(beyond, abs=0.005)


def test_a_mean_is_met_within_the_buckets_or_passed_over() -> None:
    buckets = [(4.0, 8.0, 10.0), (8.0, 16.0, 1.0)]
    assert of_buckets(buckets, 5.0).mean == pytest.approx(5.0)
    assert of_buckets(buckets, 7.9).mean == pytest.approx(7.9)
    assert of_buckets(buckets, 50.0).mean == of_buckets(buckets).mean


@pytest.mark.parametrize("made", [exponential(1.0), lognormal(3.0, 0.7), of_buckets([(1, 2, 9)])])
def test_scaled_it_has_another_mean_and_the_same_shape(made: Lengths) -> None:
    other = made.scaled(0.25)
    assert other.mean == pytest.approx(0.25)
    assert other.variation == pytest.approx(made.variation)
    assert type(other) is type(made)


def test_how_much_lengths_vary() -> None:
    assert fixed(7.0).variation == pytest.approx(0.0)
    assert exponential(7.0).variation == pytest.approx(1.0, rel=0.01)
    assert lognormal(7.0, 1.0).variation == pytest.approx(math.e - 1, rel=0.02)


def test_what_is_left_of_one_that_is_met() -> None:
    """Of an exponential as much as of a new one; of a fixed one half."""
    assert exponential(2.0).mean_rest() == pytest.approx(2.0, rel=0.01)
    assert fixed(2.0).mean_rest() == pytest.approx(1.0)
    assert [*fixed(2.0).rest_beyond(np.array([0.0, 0.5, 2.0, 9.0]))] == [1.0, 0.75, 0.0, 0.0]


def test_a_mixture_has_the_mean_of_its_parts() -> None:
    made = Lengths.mixed([(3.0, fixed(1.0)), (1.0, fixed(5.0))])
    assert made.mean == pytest.approx(2.0)
    assert float(made.weight.sum()) == pytest.approx(1.0)
    assert set(made.draw(DICE, 200)) == {1.0, 5.0}


def test_an_empty_bucket_is_never_drawn_from() -> None:
    made = of_buckets([(1, 2, 4), (2, 4, 0), (4, 8, 4), (8, 16, 0)])
    assert float(made.weight[made.high <= 2].sum()) == pytest.approx(0.5)
    drawn = made.draw(DICE, 20_000)
    assert drawn.min() >= 1 and drawn.max() <= 8
    assert not ((drawn > 2) & (drawn < 4)).any()


def test_the_same_dice_give_the_same_lengths() -> None:
    made = of_buckets([(1, 2, 3), (2, 4, 5)])
    first, again = (made.draw(np.random.default_rng(1), 50) for _ in range(2))
    assert (first == again).all()
    assert made.draw(np.random.default_rng(1), (3, 4)).shape == (3, 4)
