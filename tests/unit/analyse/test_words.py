# SPDX-License-Identifier: MIT
"""What is predicted, in words."""

import math
from dataclasses import replace

import pytest

from lppack.analyse.words import part, percent, seconds, share, time, who
from lppack.forecast.predict import Interval, ThreadHolder

HOLDER = ThreadHolder(
    comm="web", function="ep_poll", threads=4, kthread=False, inside=0.25, share=0.5, never=False
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "at once"),
        (-1.0, "at once"),
        (4e-7, "0.4 us"),
        (1.5e-5, "15 us"),
        (0.0123, "12.3 ms"),
        (0.9999, "1000 ms"),
        (1.0, "1 s"),
        (59.96, "60 s"),
        (999.6, "1000 s"),
        (3600.0, "3600 s"),
        (1e6, "1000000 s"),
        (math.inf, "no end"),
    ],
)
def test_a_time(value: float, words: str) -> None:
    assert time(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0%"),
        (0.00123, "0.12%"),
        (0.256, "26%"),
        (0.99, "99%"),
        (0.9996, "99.9%"),  # it is not all
        (1.0, "100%"),
    ],
)
def test_a_share(value: float, words: str) -> None:
    assert percent(value) == words


def test_an_interval_is_one_figure_where_it_is_one() -> None:
    assert seconds(Interval(value=2.0, low=2.0, high=2.0)) == "2 s"
    assert seconds(Interval(value=2.0, low=0.5, high=math.inf)) == "2 s (500 ms to no end)"
    assert seconds(None) == "not known"
    assert share(Interval(value=0.5, low=0.5001, high=0.4999)) == "50%"


def test_what_is_not_known_has_its_bounds_all_the_same() -> None:
    assert share(Interval(value=math.nan, low=0.0, high=1.0)) == "not known, 0% to 100%"


def test_who_holds_it_up() -> None:
    assert who(HOLDER) == "web in ep_poll (4 threads, 25% of the time)"
    one = replace(HOLDER, threads=1, kthread=True, never=True)
    assert who(one) == "web in ep_poll (1 kernel thread, all the time)"


@pytest.mark.parametrize(("of", "words"), [(0.5, "50%"), (0.01, "1%"), (0.004, "under 1%")])
def test_the_part_of_the_waiting(of: float, words: str) -> None:
    assert part(replace(HOLDER, share=of)) == words
