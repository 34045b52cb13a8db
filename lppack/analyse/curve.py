# SPDX-License-Identifier: MIT
"""A drawing of times to finish: the share of transitions that are complete, over time.

Positions are in the pixels of an SVG image. The time axis is logarithmic.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lppack.analyse.words import time
from lppack.forecast.predict import CURVE, Interval, Prediction

WIDTH, HEIGHT = 270.0, 150.0  # of what lies between the axes
LEFT, TOP = 44.0, 8.0
_TICKS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Decades of seconds, the same for all that is to be compared."""

    low: int
    high: int

    def x(self, seconds: float) -> float:
        if seconds <= 10.0**self.low:
            return LEFT
        at = (math.log10(seconds) - self.low) / (self.high - self.low)
        return LEFT + min(at, 1.0) * WIDTH

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(x, what it says); what is done at once stands at the left end."""
        every = math.ceil((self.high - self.low) / _TICKS_MAX)
        powers = range(self.low + every, self.high + 1, every)
        later = ((self.x(10.0**power), time(10.0**power)) for power in powers)
        return ((LEFT, time(0.0)), *later)


def axis(every: Sequence[Prediction]) -> Axis:
    """From the shortest time in any of them to the limit."""
    limit = max(made.limit for made in every)
    times = [t for made in every for i in made.curve for t in (i.low, i.value)]
    low = min((t for t in times if 0 < t < math.inf), default=limit / 1000)
    high = math.ceil(math.log10(limit))
    return Axis(low=min(math.floor(math.log10(low)), high - 1), high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    line: str  # points of a polyline; empty: none is complete in time
    band: str  # points of a polygon, in which the truth lies 19 times of 20


def curve(made: Prediction, on: Axis) -> Curve:
    """Return the shares that are complete within the limit."""

    def points(end: Callable[[Interval], float], *, cut: bool) -> list[str]:
        return [
            f"{on.x(end(interval)):.1f},{TOP + (1 - share) * HEIGHT:.1f}"
            for share, interval in zip(CURVE, made.curve, strict=True)
            if not (cut and math.isinf(end(interval)))
        ]

    early = points(lambda i: i.low, cut=True)
    # What is not known to end leaves the picture on the right.
    late = points(lambda i: i.high, cut=False)[: len(early)]
    return Curve(
        line=" ".join(points(lambda i: i.value, cut=True)),
        band=" ".join([*early, *reversed(late)]),
    )
