# SPDX-License-Identifier: MIT
"""Sample the times to finish of many thousand random transitions.

While an engine only looks on, threads are independent: each is an alternating renewal process, in
turns inside the area (a visit) and outside (a gap). A whole sample is a few numpy arrays of sums.
The numbers L are of docs/semantics.md, 1.5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from lppack.forecast.lengths import Floats, Lengths, as_floats

#: Number of stages, over all samples, to draw individually; beyond it, fast threads form a pool.
STAGES_MAX = 1 << 23
#: If a tick is this many times longer than a thread's states, ticks are independent.
_FORGOTTEN = 20.0
_CELLS_MAX = 1 << 22  # maximum number of cells in an array


class SampledHook(Enum):
    """When an engine checks whether a thread may switch."""

    EXIT = "exit"  # at the end of each visit
    TICK = "tick"  # periodically; it does not see changes between ticks (L4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Threads of one kind."""

    threads: int
    inside: float  # share of the time, 0 to 1
    visits: Lengths | None  # None: never leaves
    gaps: Lengths | None  # None: never enters, or never leaves
    hook: SampledHook

    @property
    def cycle(self) -> float:
        """Mean seconds of a visit and a gap; infinity for a thread that never moves."""
        return self.visits.mean + self.gaps.mean if self.visits and self.gaps else math.inf

    def forgets(self, seconds: float) -> bool:
        """Return True if a thread's place now does not depend on its place ``seconds`` ago."""
        if self.visits is None or self.gaps is None:
            return False
        return self.visits.mean_rest() * (1 - self.inside) * _FORGOTTEN < seconds

    @property
    def moves(self) -> bool:
        return self.visits is not None and self.gaps is not None and 0 < self.inside < 1


class Counter:
    """Counts the stages that were drawn."""

    def __init__(self) -> None:
        self.stages = 0


def each_thread(
    loads: Sequence[Load], *, samples: int, limit: float, tick: float, dice: np.random.Generator
) -> Floats:
    """SWITCH_THREAD: return for each of ``samples`` the seconds until every thread has switched.

    Infinity if one never leaves, or if no tick finds it outside by ``limit``.
    """
    times = np.zeros(samples)
    for load in loads:
        inside = dice.binomial(load.threads, load.inside, samples)
        where = np.repeat(np.arange(samples), inside)
        if load.visits is None:
            times[inside > 0] = math.inf
        elif len(where):
            np.maximum.at(times, where, waits(load, len(where), limit=limit, tick=tick, dice=dice))
    return times


def waits(
    load: Load, threads: int, *, limit: float, tick: float, dice: np.random.Generator
) -> Floats:
    """Return the seconds until each of ``threads``, which are inside, has switched."""
    if load.visits is None:
        return as_floats(np.full(threads, math.inf))
    rest = load.visits.rest(dice, threads)
    if load.hook is SampledHook.EXIT:
        return rest
    found = _found_outside(load, rest, limit, tick, dice)
    return as_floats(np.where(found <= limit, found, math.inf))


def _found_outside(
    load: Load, wait: Floats, limit: float, tick: float, dice: np.random.Generator
) -> Floats:
    """Return the first tick that finds each thread outside; ``wait``: when it leaves its first
    visit."""
    assert load.visits is not None
    found = as_floats(np.full(len(wait), math.inf))
    if load.gaps is None:  # after leaving once, it does not return
        return as_floats(np.ceil(wait / tick) * tick)
    ticks = np.ceil(wait / tick)
    if load.forgets(tick):
        tries = dice.geometric(1 - load.inside, len(wait)) - 1
        return as_floats((ticks + tries) * tick)
    left, going = wait.copy(), np.arange(len(wait))
    while len(going):
        until = left + load.gaps.draw(dice, len(left))
        ticks = np.ceil(left / tick) * tick
        out = ticks < until
        found[going[out]] = ticks[out]
        kept = ~out & (until < limit)
        going = going[kept]
        left = until[kept] + load.visits.draw(dice, int(kept.sum()))
    return found


def whole_kernel(
    loads: Sequence[Load],
    *,
    samples: int,
    limit: float,
    tick: float,
    dice: np.random.Generator,
    counter: Counter | None = None,
    stages: int = STAGES_MAX,
) -> Floats:
    """SWITCH_KERNEL: seconds until no thread is inside, of each of ``samples``; infinity where that
    does not come by ``limit`` (L3, L5), or where ticks do not see it (L4).

    ``stages``: of all samples, how many are drawn one by one; beyond, the fast threads are a pool.
    """
    once = [load for load in loads if load.gaps is None and load.inside > 0]
    if once:  # the others need no check until these have left
        others = [load for load in loads if load not in once]
        after = each_thread(once, samples=samples, limit=limit, tick=tick, dice=dice)
        times = after + whole_kernel(
            others, samples=samples, limit=limit, tick=tick, dice=dice, stages=stages
        )
        return as_floats(np.where(times <= limit, times, math.inf))
    moving = [load for load in loads if load.moves]
    if any(load.hook is SampledHook.TICK for load in loads):
        ticks = min(int(limit / tick), _CELLS_MAX) + 1
        part = max(1, _CELLS_MAX // ticks)
        parts = [min(part, samples - done) for done in range(0, samples, part)]
        of_each = 4 * stages / len(parts)  # they cost less than those that are sorted
        return np.concatenate(
            [_clear_ticks(moving, some, ticks, tick, of_each, dice) for some in parts]
        )
    fast, slow = _pool(moving, limit, stages / samples)
    pool = _Pool(fast)
    counter = counter or Counter()
    return as_floats([_clear_moment(slow, pool, limit, dice, counter) for _ in range(samples)])


def _pool(loads: Sequence[Load], limit: float, stages: float) -> tuple[list[Load], list[Load]]:
    """(those that would take more than ``stages`` until a clear moment comes, the others)."""
    ordered = sorted(loads, key=lambda load: load.cycle)
    # The slow alone may take longer than all together seem to: the fast enter so often.
    waits = [_Pool(ordered[first:]).mean for first in range(len(ordered))]
    expected = min(limit, 2 * max(waits, default=0.0))
    for first in range(len(ordered)):
        slow = ordered[first:]
        if sum(2 * load.threads * (1 + expected / load.cycle) for load in slow) <= stages:
            return ordered[:first], slow
    return ordered, []


class _Pool:
    """Fast threads as one: clear with probability ``clear``; otherwise for a time that has no
    memory, until all are outside at once."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self.clear = math.prod((1 - load.inside) ** load.threads for load in loads)
        self.mean = _until_clear(loads)  # seconds, from a moment at which it is not clear

    def clear_in(
        self, begin: Floats, end: Floats, dice: np.random.Generator, *, goes_on: bool
    ) -> float:
        """Return the first clear moment in the windows from ``begin`` to ``end``; infinity: none.
        ``goes_on``: the pool was found busy just before the first of them."""
        if self.clear == 1.0 and len(begin):
            return float(begin[0])
        if math.isinf(self.mean):
            return math.inf
        wait = dice.exponential(self.mean, len(begin))
        at_once = dice.random(len(begin)) < self.clear
        at_once[:1] &= not goes_on
        wait[at_once] = 0.0
        good = np.flatnonzero(begin + wait < end)
        return float(begin[good[0]] + wait[good[0]]) if len(good) else math.inf


def _until_clear(loads: Sequence[Load]) -> float:
    """Return the mean of that, exact for exponential visits and gaps.

    It is the sum over time of how much likelier a clear moment follows a clear one: for one thread,
    by p / (1 - p) at once, and less by the e-fold with each relaxation time, S (1 - p).
    """
    relax = [load.visits.mean * (1 - load.inside) for load in loads if load.visits]
    if not relax:
        return 0.0
    time = np.concatenate([[0.0], np.geomspace(min(relax) * 1e-4, max(relax) * 40, 2000)])
    power = np.zeros_like(time)
    for load, seconds in zip(loads, relax, strict=True):
        odds = load.inside / (1 - load.inside)
        power += load.threads * np.log1p(odds * np.exp(-time / seconds))
    if power[0] > 600:
        return math.inf
    clear = math.exp(-float(power[0]))
    return float(np.trapezoid(np.expm1(power), time)) / (1 - clear)


def _clear_moment(
    loads: Sequence[Load], pool: _Pool, limit: float, dice: np.random.Generator, counter: Counter
) -> float:
    """Return when all threads are first outside; draw paths only as far as needed."""
    walkers = [_Walk(load, dice, counter) for load in loads]
    busy = math.fsum(load.threads * load.inside for load in loads)
    far = min((load.visits.mean for load in loads if load.visits), default=limit)
    step = far * (1 + math.exp(min(busy, 20.0)) / max(busy, 1.0)) / 2
    far = step
    covered, done = 0.0, 0.0
    begins, ends = np.empty(0), np.empty(0)
    while True:
        far = min(far, limit)
        for walker in walkers:
            more = walker.visits_until(far)
            begins, ends = np.concatenate([begins, more[0]]), np.concatenate([ends, more[1]])
        now = begins <= far
        order = np.argsort(begins[now])
        begin, end = begins[now][order], ends[now][order]
        begins, ends = begins[~now], ends[~now]
        top = np.maximum(np.maximum.accumulate(np.concatenate([[covered], end])), done)
        following = np.append(begin, far)
        free = top < following
        goes_on = 0 < done == top[0]
        moment = pool.clear_in(top[free], following[free], dice, goes_on=goes_on)
        if moment < math.inf or far >= limit:
            return moment if moment < limit else math.inf
        covered, done = float(top[-1]), far
        far += step


class _Walk:
    """The visits of the threads of one load that were drawn so far."""

    def __init__(self, load: Load, dice: np.random.Generator, counter: Counter) -> None:
        self._load, self._dice, self._counter = load, dice, counter
        self._began: Floats | None = None  # when each thread's next visit begins

    def visits_until(self, moment: float) -> tuple[Floats, Floats]:
        """(begin, end) of visits, with at least all that begin by ``moment`` and were not given."""
        load, dice = self._load, self._dice
        assert load.visits and load.gaps
        begins, ends = [], []
        if self._began is None:
            inside = int(dice.binomial(load.threads, load.inside))
            rest = load.visits.rest(dice, inside)
            begins.append(np.zeros(inside))
            ends.append(rest)
            out = load.gaps.rest(dice, load.threads - inside)
            self._began = np.concatenate([rest + load.gaps.draw(dice, inside), out])
            self._counter.stages += load.threads + inside
        behind = np.flatnonzero(self._began <= moment)
        while len(behind):
            ahead = moment - float(self._began[behind].min())
            cycles = int(max(1, min(1.1 * ahead / load.cycle + 1, _CELLS_MAX // len(behind))))
            shape = (len(behind), cycles)
            visits = load.visits.draw(dice, shape)
            cycle = visits + load.gaps.draw(dice, shape)
            following = self._began[behind][:, None] + np.cumsum(cycle, axis=1)
            begin = following - cycle
            self._began[behind] = following[:, -1]
            begins.append(begin.ravel())
            ends.append((begin + visits).ravel())
            self._counter.stages += 2 * begin.size
            behind = behind[self._began[behind] <= moment]
        return np.concatenate(begins or [np.empty(0)]), np.concatenate(ends or [np.empty(0)])


def _clear_ticks(
    loads: Sequence[Load],
    samples: int,
    ticks: int,
    tick: float,
    stages: float,
    dice: np.random.Generator,
) -> Floats:
    """Return the time of the first of ``ticks``, from 0 on, that finds every thread outside."""
    busy = np.zeros((samples, ticks), dtype=bool)
    clear = 1.0
    for load in loads:
        cost = load.threads * samples * (1 + ticks * tick / load.cycle)
        if load.forgets(tick) or cost > stages:
            clear *= (1 - load.inside) ** load.threads
        else:
            busy |= _busy_ticks(load, samples, ticks, tick, dice)
    busy |= dice.random(busy.shape) >= clear
    first = np.argmin(busy, axis=1)
    return np.where(busy.all(axis=1), math.inf, first * tick)


def _busy_ticks(
    load: Load, samples: int, ticks: int, tick: float, dice: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return, for each sample and tick, whether a thread is inside."""
    assert load.visits and load.gaps
    row = np.repeat(np.arange(samples), load.threads)
    inside = dice.random(len(row)) < load.inside
    begin = np.zeros(len(row))
    begin[~inside] = load.gaps.rest(dice, int((~inside).sum()))
    end = begin + load.visits.draw(dice, len(row))
    end[inside] = load.visits.rest(dice, int(inside.sum()))
    change = np.zeros((samples, ticks + 1), dtype=np.int64)
    while len(row):
        # A tick at the very moment of a begin finds the thread inside, of an end outside.
        first = np.minimum(np.ceil(begin / tick), ticks).astype(np.int64)
        after = np.minimum(np.ceil(end / tick), ticks).astype(np.int64)
        np.add.at(change, (row, first), 1)
        np.add.at(change, (row, after), -1)
        kept = end < ticks * tick
        row = row[kept]
        begin = end[kept] + load.gaps.draw(dice, len(row))
        end = begin + load.visits.draw(dice, len(row))
    return np.cumsum(change, axis=1)[:, :ticks] > 0
