# SPDX-License-Identifier: MIT
"""Durations as random variables: mixtures of uniform pieces, in numpy."""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def as_floats(values: object) -> Floats:
    """Cast an array of numbers to Floats, for the type checker."""
    return np.asarray(values, dtype=np.float64)


_PIECES = 8  # pieces of each bucket of a histogram, so that its mean can be matched


class Lengths:
    """A distribution of seconds. ``low``, ``high``: the pieces; ``weight``: probabilities, sum
    1."""

    def __init__(self, low: Floats, high: Floats, weight: Floats) -> None:
        kept = weight > 0
        self.low, self.high = low[kept], high[kept]
        self.weight = weight[kept] / weight[kept].sum()
        self._middle = (self.low + self.high) / 2
        self.mean = float(self.weight @ self._middle)
        self._width = self.high - self.low
        self._alias: tuple[Floats, NDArray[np.intp]] | None = None  # made when first drawn from
        biased = self.weight * self._middle
        self._biased_sum = np.cumsum(biased / biased.sum())
        self._biased_sum[-1] = 1.0

    @property
    def variation(self) -> float:
        """Variance over squared mean: 0 if all last equally long, 1 if exponential."""
        squares = (self.low**2 + self.low * self.high + self.high**2) / 3
        return float(self.weight @ squares) / self.mean**2 - 1

    def draw(self, dice: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
        if self._alias is None:
            self._alias = _alias(self.weight)
        kept, other = self._alias
        chance = dice.random(shape) * len(kept)
        piece = chance.astype(np.intp)
        chance -= piece
        piece = np.where(chance < kept[piece], piece, other[piece])
        return as_floats(self.low[piece] + dice.random(shape) * self._width[piece])

    def rest(self, dice: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
        """Draw the rest of a duration that is under way at a random moment.

        At a random moment, long durations are more likely.
        """
        piece = self._biased_sum.searchsorted(dice.random(shape), side="right")
        low, high = self.low[piece], self.high[piece]
        whole = np.sqrt(low**2 + dice.random(shape) * (high**2 - low**2))
        return as_floats(whole * dice.random(shape))

    def mean_rest(self, limit: float = math.inf) -> float:
        """Return the mean of the rest in seconds, with each rest limited to ``limit``."""
        if math.isinf(limit):
            return self.mean * (1 + self.variation) / 2
        grid = np.linspace(0.0, limit, 513)
        return float(np.trapezoid(self.rest_beyond(grid), grid))

    def rest_beyond(self, moments: Floats) -> Floats:
        """Return the probability that the rest is longer, for each of ``moments``."""
        width = np.maximum(self.high - self.low, 1e-300)
        at = np.atleast_1d(moments)[:, None]
        left = np.where(
            at <= self.low,
            self._middle - at,
            np.clip(self.high - at, 0.0, None) ** 2 / (2 * width),
        )
        return as_floats((left @ self.weight) / self.mean)

    def scaled(self, mean: float) -> Self:
        factor = mean / self.mean
        return type(self)(self.low * factor, self.high * factor, self.weight)

    @classmethod
    def mixed(cls, parts: Sequence[tuple[float, "Lengths"]]) -> "Lengths":
        """Return a mixture; ``parts`` are (share, lengths)."""
        return cls(
            np.concatenate([part.low for _, part in parts]),
            np.concatenate([part.high for _, part in parts]),
            np.concatenate([share * part.weight for share, part in parts]),
        )


def _alias(weight: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Walker's tables, by Vose: a piece is kept with that chance, or else the other one taken, so
    that a draw costs the same however many pieces there are."""
    kept = weight * len(weight)
    other = np.arange(len(weight))
    small = [i for i, share in enumerate(kept) if share < 1]
    large = [i for i, share in enumerate(kept) if share >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        other[low] = high
        kept[high] -= 1 - kept[low]
        if kept[high] < 1:
            small.append(large.pop())
    kept[small + large] = 1.0  # what rounding left
    return kept, other


def fixed(mean: float) -> Lengths:
    return Lengths(np.array([mean]), np.array([mean]), np.ones(1))


class Exponential(Lengths):
    """Drawn without its pieces, which only serve for what is computed: it has no memory."""

    def draw(self, dice: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
        return as_floats(dice.exponential(self.mean, shape))

    rest = draw


def exponential(mean: float) -> Lengths:
    edges = np.concatenate([[0.0], np.geomspace(1e-4, 30.0, 200)])
    return _of_edges(edges, np.diff(-np.exp(-edges)), mean, Exponential)


def lognormal(mean: float, sigma: float) -> Lengths:
    """Return a lognormal distribution; ``sigma``: standard deviation of the logarithm."""
    score = np.linspace(-6.0, 6.0, 201)
    below = np.array([math.erf(x / math.sqrt(2)) for x in score])
    return _of_edges(np.exp(sigma * score), np.diff(below), mean)


def _of_edges(edges: Floats, weight: Floats, mean: float, kind: type[Lengths] = Lengths) -> Lengths:
    return kind(edges[:-1], edges[1:], weight).scaled(mean)


def _power(low: Floats, high: Floats, count: Floats) -> Floats:
    """Of the length, with which the density goes in each bucket; an empty neighbour has half a
    visit in it."""
    width = high - low

    def beside(shift: int) -> Floats:
        other = np.roll(count, -shift)
        near = np.roll(low, -1) if shift > 0 else np.roll(high, 1)
        touching = np.isclose(high if shift > 0 else low, near, rtol=1e-6)
        touching[-1 if shift > 0 else 0] = False
        # A neighbour of a bucket of powers of two is twice or half as wide.
        return as_floats(np.where(touching & (other > 0), other, 0.5) / (width * 2.0**shift))

    return as_floats(np.clip(np.log(beside(1) / beside(-1)) / math.log(4.0), -8.0, 8.0))


def of_buckets(buckets: Sequence[tuple[float, float, float]], mean: float | None = None) -> Lengths:
    """Of (from, below, count). Within a bucket, lengths follow a power that its neighbours tell.
    With ``mean``, they lean in each bucket so that it is met; a mean that the buckets cannot have
    is passed over."""
    low, high, weight = (np.array(column, dtype=float) for column in zip(*buckets, strict=True))
    steps = np.arange(_PIECES) / _PIECES
    lows = low[:, None] + (high - low)[:, None] * steps
    highs = lows + ((high - low) / _PIECES)[:, None]
    within = (lows + highs) ** _power(low, high, weight)[:, None]

    def leaning(lean: float) -> Lengths:
        tilt = within * np.exp(lean * (steps - 0.5))
        pieces = weight[:, None] * (tilt / tilt.sum(axis=1, keepdims=True))
        return Lengths(lows.ravel(), highs.ravel(), pieces.ravel())

    if mean is None:
        return leaning(0.0)
    down, up = -60.0, 60.0
    if not leaning(down).mean <= mean <= leaning(up).mean:
        return leaning(0.0)
    for _ in range(60):
        half = (down + up) / 2
        down, up = (half, up) if leaning(half).mean < mean else (down, half)
    return leaning((down + up) / 2)
