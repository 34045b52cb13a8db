# SPDX-License-Identifier: MIT
"""A curve for the HTML report: the share of transitions that are complete, over time.

Positions are in the pixels of an SVG image. The time axis is logarithmic.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lppack.analyse.words import time
from lppack.forecast.predict import CURVE, Interval, Prediction

WIDTH, HEIGHT = 270.0, 150.0  # of the area between the axes
LEFT, TOP = 44.0, 8.0
_TICKS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The time axis, 10**low to 10**high seconds; the same for all curves that are compared."""

    low: int
    high: int

    def x(self, seconds: float) -> float:
        if seconds <= 10.0**self.low:
            return LEFT
        at = (math.log10(seconds) - self.low) / (self.high - self.low)
        return LEFT + min(at, 1.0) * WIDTH

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(x, label) of each tick; the left end is for transitions that are complete at once."""
        every = math.ceil((self.high - self.low) / _TICKS_MAX)
        powers = range(self.low + every, self.high + 1, every)
        later = ((self.x(10.0**power), time(10.0**power)) for power in powers)
        return ((LEFT, time(0.0)), *later)


def axis(every: Sequence[Prediction]) -> Axis:
    """Return an axis from the shortest time in any prediction to the longest limit."""
    limit = max(made.limit for made in every)
    times = [t for made in every for i in made.curve for t in (i.low, i.value)]
    low = min((t for t in times if 0 < t < math.inf), default=limit / 1000)
    high = math.ceil(math.log10(limit))
    return Axis(low=min(math.floor(math.log10(low)), high - 1), high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    line: str  # points of a polyline; empty: no transition completes in time
    band: str  # points of a polygon: the 95 % interval


def curve(made: Prediction, on: Axis) -> Curve:
    """Return the curve of ``made`` on the axis ``on``, up to the limit."""

    def points(end: Callable[[Interval], float], *, cut: bool) -> list[str]:
        return [
            f"{on.x(end(interval)):.1f},{TOP + (1 - share) * HEIGHT:.1f}"
            for share, interval in zip(CURVE, made.curve, strict=True)
            if not (cut and math.isinf(end(interval)))
        ]

    early = points(lambda i: i.low, cut=True)
    # An upper bound of infinity is drawn at the right end.
    late = points(lambda i: i.high, cut=False)[: len(early)]
    return Curve(
        line=" ".join(points(lambda i: i.value, cut=True)),
        band=" ".join([*early, *reversed(late)]),
    )
