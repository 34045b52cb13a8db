# SPDX-License-Identifier: MIT
"""Predictions as text for people."""

import math
from collections.abc import Callable

from lppack.forecast.predict import Interval, ThreadHolder


def who(holder: ThreadHolder) -> str:
    threads = f"{holder.threads} {'kernel ' if holder.kthread else ''}threads"
    threads = threads.removesuffix("s") if holder.threads == 1 else threads
    inside = "all the time" if holder.never else f"{percent(holder.inside)} of the time"
    return f"{holder.comm} in {holder.function} ({threads}, {inside})"


def part(holder: ThreadHolder) -> str:
    """Return the holder's share of all the waiting, as a percentage."""
    return f"{holder.share:.0%}" if holder.share >= 0.01 else "under 1%"


def percent(value: float) -> str:
    return f"{value * 100:.2g}%" if value < 0.995 else f"{math.floor(value * 1000) / 10:g}%"


def share(value: Interval) -> str:
    return _both(value, percent)


def seconds(value: Interval | None) -> str:
    if value is None:
        return "not known"
    return _both(value, time)


def _both(interval: Interval, written: Callable[[float], str]) -> str:
    low, high = written(interval.low), written(interval.high)
    if math.isnan(interval.value):
        return f"not known, {low} to {high}"
    value = written(interval.value)
    return value if low == value == high else f"{value} ({low} to {high})"


def time(seconds: float) -> str:
    if math.isinf(seconds):
        return "no end"
    if seconds <= 0:
        return "at once"
    for unit, word in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{_figures(seconds / unit)} {word}"
    return f"{_figures(seconds / 1e-6)} us"


def _figures(value: float) -> str:
    """Return a number with three significant figures; a large one without an exponent."""
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"
