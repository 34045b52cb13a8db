# SPDX-License-Identifier: MIT
"""How long something lasts, as a random variable: a mixture of uniform pieces, in numpy."""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def as_floats(values: object) -> Floats:
    """For arrays of which numpy's types only know that they hold some kind of number."""
    return np.asarray(values, dtype=np.float64)


_PIECES = 8  # of each bucket of a histogram, so that its mean can be met


class Lengths:
    """Seconds. ``low``, ``high``: the pieces; ``weight``: how likely each is, together 1."""

    def __init__(self, low: Floats, high: Floats, weight: Floats) -> None:
        kept = weight > 0
        self.low, self.high = low[kept], high[kept]
        self.weight = weight[kept] / weight[kept].sum()
        self._middle = (self.low + self.high) / 2
        self.mean = float(self.weight @ self._middle)
        self._sum = np.cumsum(self.weight)
        self._sum[-1] = 1.0
        biased = self.weight * self._middle
        self._biased_sum = np.cumsum(biased / biased.sum())
        self._biased_sum[-1] = 1.0

    @property
    def variation(self) -> float:
        """Variance over squared mean: 0 if all last equally long, 1 if exponential."""
        squares = (self.low**2 + self.low * self.high + self.high**2) / 3
        return float(self.weight @ squares) / self.mean**2 - 1

    def draw(self, dice: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
        chance = dice.random(shape)
        piece = self._sum.searchsorted(chance, side="right")
        within = (self._sum[piece] - chance) / self.weight[piece]
        return as_floats(self.high[piece] - within * (self.high - self.low)[piece])

    def rest(self, dice: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
        """What is left of one that is met at a random moment: long ones are met more often."""
        piece = self._biased_sum.searchsorted(dice.random(shape), side="right")
        low, high = self.low[piece], self.high[piece]
        whole = np.sqrt(low**2 + dice.random(shape) * (high**2 - low**2))
        return as_floats(whole * dice.random(shape))

    def mean_rest(self, limit: float = math.inf) -> float:
        """Seconds, of the rest or of ``limit`` where that is less, on average."""
        if math.isinf(limit):
            return self.mean * (1 + self.variation) / 2
        grid = np.linspace(0.0, limit, 513)
        return float(np.trapezoid(self.rest_beyond(grid), grid))

    def rest_beyond(self, moments: Floats) -> Floats:
        """How likely the rest is to be longer, for each of ``moments``."""
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
        """``parts`` are (share, lengths)."""
        return cls(
            np.concatenate([part.low for _, part in parts]),
            np.concatenate([part.high for _, part in parts]),
            np.concatenate([share * part.weight for share, part in parts]),
        )


def fixed(mean: float) -> Lengths:
    return Lengths(np.array([mean]), np.array([mean]), np.ones(1))


def exponential(mean: float) -> Lengths:
    edges = np.concatenate([[0.0], np.geomspace(1e-4, 30.0, 200)])
    return _of_edges(edges, np.diff(-np.exp(-edges)), mean)


def lognormal(mean: float, sigma: float) -> Lengths:
    """``sigma`` is of the logarithm."""
    score = np.linspace(-6.0, 6.0, 201)
    below = np.array([math.erf(x / math.sqrt(2)) for x in score])
    return _of_edges(np.exp(sigma * score), np.diff(below), mean)


def _of_edges(edges: Floats, weight: Floats, mean: float) -> Lengths:
    return Lengths(edges[:-1], edges[1:], weight).scaled(mean)


def of_buckets(buckets: Sequence[tuple[float, float, float]], mean: float | None = None) -> Lengths:
    """Of (from, below, weight). With ``mean``, lengths lean within each bucket so that it is met;
    a mean that the buckets cannot have is passed over."""
    low, high, weight = (np.array(column, dtype=float) for column in zip(*buckets, strict=True))
    steps = np.arange(_PIECES) / _PIECES
    lows = low[:, None] + (high - low)[:, None] * steps
    highs = lows + ((high - low) / _PIECES)[:, None]

    def leaning(lean: float) -> Lengths:
        tilt = np.exp(lean * (steps - 0.5))
        pieces = weight[:, None] * (tilt / tilt.sum())
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
