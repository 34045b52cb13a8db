# SPDX-License-Identifier: MIT
"""Simulate the times to finish of an engine with a gate at the border (kmod/engine/gate.c).

While the gate is shut, each thread that reaches the border is held there, so no visit begins, and
the threads inside only have to leave. Between these windows it is open, and held threads continue.
Kernel threads have no border; they count as outside whenever they are outside.

The engine also keeps the gate open if shutting it would not help, and has a budget for it
(budget.c). Neither is simulated. A real transition that needs many windows takes longer.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lppack.forecast.lengths import Floats, as_floats
from lppack.forecast.sampler import STAGES_MAX, Load, SampledHook, whole_kernel

#: Seconds for which it is shut: LPE_FIRST_GATE, doubled up to LPE_LAST_GATE. Then it is open for
#: half as long.
FIRST, LAST = 0.1, 1.6
_GRID = 257  # points of a window at which the probability that a pool has left is computed


def windows(limit: float) -> Iterator[tuple[float, float, float]]:
    """Yield (when it shuts, how long it is shut, how long open after), until ``limit`` seconds."""
    begin, shut = 0.0, FIRST
    while begin < limit:
        yield begin, min(shut, limit - begin), shut / 2
        begin += 1.5 * shut
        shut = min(2 * shut, LAST)


def gated(
    loads: Sequence[Load],
    kthreads: Sequence[Load],
    *,
    samples: int,
    limit: float,
    dice: np.random.Generator,
    stages: int = STAGES_MAX,
) -> Floats:
    """Return for each of ``samples`` the seconds until no thread is inside.

    Infinity: not within ``limit``. ``kthreads``: loads that no gate holds. ``stages``: how many
    threads, over all samples, are followed one by one, the smallest loads first; the others are a
    pool without memory from one window to the next.
    """
    times = as_floats(np.full(samples, math.inf))
    loads = [load for load in loads if load.inside > 0]
    if any(load.visits is None for load in (*loads, *(k for k in kthreads if k.inside > 0))):
        return times
    crowds, pool = [], []
    for load in sorted(loads, key=lambda load: (load.gaps is not None, load.threads)):
        stages -= load.threads * samples
        if stages >= 0 or load.gaps is None:  # a thread that leaves for good must be remembered
            crowds.append(_Crowd(load, samples, dice))
        else:
            pool.append(load)
    going = np.arange(samples)
    for begin, shut, opened in windows(limit):
        done = begin + _pool_leaves(pool, shut, len(going), dice)
        for crowd in crowds:
            np.maximum(done, crowd.last(), out=done)
        if kthreads:
            # The engine tries again and again while the gate is shut.
            looked = [replace(load, hook=SampledHook.EXIT) for load in kthreads]
            done += whole_kernel(looked, samples=len(going), limit=limit, tick=1.0, dice=dice)
        out = done <= begin + shut
        times[going[out]] = done[out]
        going = going[~out]
        if not len(going):
            break
        for crowd in crowds:
            crowd.keep(~out)
            crowd.open(begin + shut, opened)
    return times


def _pool_leaves(
    loads: Sequence[Load], shut: float, samples: int, dice: np.random.Generator
) -> Floats:
    """Return the seconds until the last thread of ``loads`` has left, from a random moment on.

    Infinity: not within ``shut``.
    """
    moments = np.linspace(0.0, shut, _GRID)
    left = np.zeros(_GRID)
    for load in loads:
        assert load.visits
        inside = load.inside * np.minimum(load.visits.rest_beyond(moments), 1.0)
        left += load.threads * np.log1p(-np.minimum(inside, 1 - 1e-12))
    likely = np.exp(left)
    chance = dice.random(samples)
    return as_floats(
        np.where(chance > likely[-1], math.inf, np.interp(chance, likely, moments, left=0.0))
    )


class _Crowd:
    """The threads of one load in each sample that is not done."""

    def __init__(self, load: Load, samples: int, dice: np.random.Generator) -> None:
        assert load.visits
        self._load, self._dice = load, dice
        shape = (samples, load.threads)
        inside = dice.random(shape) < load.inside
        #: When the visit of each ends, or ended.
        self._until = np.where(inside, load.visits.rest(dice, shape), 0.0)
        #: Seconds for which the gate must be open until each thread begins its next visit.
        self._gap = self._gaps(shape)
        if load.gaps:
            self._gap[~inside] = load.gaps.rest(dice, int((~inside).sum()))

    def _gaps(self, shape: tuple[int, ...]) -> Floats:
        gaps = self._load.gaps
        return gaps.draw(self._dice, shape) if gaps else as_floats(np.full(shape, math.inf))

    def last(self) -> Floats:
        """Return when the last thread of each sample leaves, if no thread enters."""
        return as_floats(self._until.max(axis=1))

    def keep(self, rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
        self._until, self._gap = self._until[rows], self._gap[rows]

    def open(self, begin: float, seconds: float) -> None:
        """Keep the gate open for ``seconds`` from ``begin`` on: visits begin, end, and begin
        again."""
        assert self._load.visits
        end = begin + seconds
        until, gap = self._until.ravel(), self._gap.ravel()
        following = np.maximum(until, begin) + gap
        moving = np.flatnonzero(following < end)
        while len(moving):
            until[moving] = following[moving] + self._load.visits.draw(self._dice, len(moving))
            gap[moving] = self._gaps((len(moving),))
            following[moving] = until[moving] + gap[moving]
            moving = moving[following[moving] < end]
        # Subtract the part of the gap that has passed; a thread inside has all of it still to come.
        gap -= np.clip(end - np.maximum(until, begin), 0.0, gap)
        self._until, self._gap = until.reshape(self._until.shape), gap.reshape(self._gap.shape)
