# SPDX-License-Identifier: MIT
"""A price in words."""

import pytest

from lppack.cost.words import UNKNOWN, amount, percent, rate


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.001, "0.001"),
        (0.456, "0.46"),
        (9.9, "9.9"),
        (10.4, "10"),
        (1234567, "1,234,567"),
    ],
)
def test_a_rate(value: float, words: str) -> None:
    assert rate(value) == amount(value) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0%"),
        (0.000012, "0.0012%"),
        (0.5, "50%"),
        (9.99, "999%"),
        (12.34, "1234%"),  # of several CPUs
        (None, UNKNOWN),
    ],
)
def test_a_share_of_a_cpu(share: float | None, words: str) -> None:
    assert percent(share) == words


def test_what_is_not_known_is_no_zero() -> None:
    assert amount(None) == UNKNOWN
