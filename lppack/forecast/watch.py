# SPDX-License-Identifier: MIT
"""Read observations and declarations about a machine, and check them for contradictions."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lppack.errors import Level, ManifestError, Problem
from lppack.forecast.histogram import Histogram, read_histograms
from lppack.forecast.lengths import Lengths, exponential, of_buckets
from lppack.forecast.stacks import Stacks, kind_of, read_stacks
from lppack.model import Visits, Workload

#: Name for the manifest in errors; its path is not known here.
WORKLOAD = "workload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The facts about a workload."""

    workload: Workload
    stacks: Stacks | None
    histograms: tuple[tuple[Visits, Histogram | None], ...]
    stays: tuple[str, ...] = ()  # functions that some thread never leaves, on any machine
    sleeps: tuple[str, ...] = ()  # functions in which threads sleep without a limit


def read_watch(
    workload: Workload,
    patched: Sequence[str],
    *,
    stays: Sequence[str] = (),
    sleeps: Sequence[str] = (),
) -> Watch:
    """Read the files of ``workload``. Raise ManifestError."""
    histograms = tuple((visits, _histogram(visits)) for visits in workload.visits)
    stacks = read_stacks(workload.stacks, patched) if workload.stacks else None
    if stacks:
        comms = sorted({seen.kind_of_thread for seen in stacks.threads})
        for visits in workload.visits:
            if visits.comm and kind_of(visits.comm) not in comms:
                close = difflib.get_close_matches(kind_of(visits.comm), comms, n=1)
                raise refused(
                    WORKLOAD,
                    "workload",
                    f'no thread in {stacks.path} is called "{visits.comm}"',
                    f"did you mean {close[0]}?" if close else f"there are: {', '.join(comms[:8])}",
                )
    return Watch(
        workload=workload,
        stacks=stacks,
        histograms=histograms,
        stays=tuple(stays),
        sleeps=tuple(sleeps),
    )


def _histogram(visits: Visits) -> Histogram | None:
    if visits.histogram is None:
        return None
    found = read_histograms(visits.histogram)
    named = [one for one in found if one.function == visits.function]
    if not named and len(found) == 1 and found[0].function is None:
        named = [found[0]]
    if not named:
        names = ", ".join(sorted({str(one.function) for one in found}))
        raise refused(visits.histogram, "histogram", f"is not of {visits.function}: {names}")
    return named[0]


def refused(path: object, rule: str, message: str, hint: str | None = None) -> ManifestError:
    return ManifestError(
        [
            Problem(
                file=str(path),
                line=1,
                column=1,
                level=Level.ERROR,
                rule=rule,
                message=message,
                hint=hint,
            )
        ]
    )


def lengths_of(
    visits: Visits, histogram: Histogram | None, watched: float | None
) -> Lengths | None:
    if histogram:
        made = of_buckets(histogram.buckets, histogram.mean)
        if watched:
            # Of visits of length L, only those that began in the first W - L seconds were seen.
            middle = (made.low + made.high) / 2
            made = Lengths(made.low, made.high, made.weight / np.clip(1 - middle / watched, 0.1, 1))
        return made
    return exponential(visits.seconds) if visits.seconds else None


def seen_mean(histogram: Histogram) -> float:
    """Return the mean length of the observed visits in seconds."""
    return histogram.mean or of_buckets(histogram.buckets).mean
