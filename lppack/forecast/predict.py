# SPDX-License-Identifier: MIT
"""Predict whether and when a transition finishes, and which threads block it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lppack.abi import TRANSITION_TICK
from lppack.consistency import Leave, Mode, Switch
from lppack.forecast.declared import assumed, elsewhere
from lppack.forecast.estimate import groups
from lppack.forecast.gate import gated
from lppack.forecast.group import Group
from lppack.forecast.lengths import Floats
from lppack.forecast.sampler import Load, SampledHook, each_thread, waits, whole_kernel
from lppack.forecast.unknown import unknown
from lppack.forecast.watch import Watch

SAMPLES = 2000
GUESSES = 100
SAMPLES_OF_A_GUESS = 120
#: Number of stages to draw individually: for the best estimate, and for each other one.
_STAGES, _STAGES_OF_A_GUESS = 1 << 21, 1 << 15
#: A stall within this of 1 or 0 counts as certain or excluded.
MARGIN = 0.05
#: So many times the limit a thread has to be watched inside, so that an even chance that it leaves
#: within the limit is out of the question: 2.51 / ln 2, the quantile of Group.leaving(), and twice
#: that, as the interval is of GUESSES.
WATCHED_ENOUGH = 8.0
#: Threads of unknown speed are ignored if their total share inside is below this value.
_NEGLIGIBLE = 0.005
_QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
#: Shares of the transitions for which the curve has a time.
CURVE = tuple((number + 0.5) / 40 for number in range(40))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with its 95 % interval; infinity: not within the limit."""

    value: float  # NaN: only the bounds are known
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadHolder:
    """Similar threads in one function, and how much they delay the transition."""

    comm: str
    function: str
    kthread: bool
    threads: int
    inside: float  # share of the time of each thread
    share: float  # share of all the waiting, 0 to 1
    never: bool  # was inside for the whole observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The prediction; ``times`` is empty if the length of visits is unknown."""

    limit: float  # seconds
    seed: int
    at_once: Interval  # probability that it finishes at the first check
    stall: Interval  # probability that it does not finish within the limit
    times: tuple[tuple[str, Interval], ...]  # (quantile, seconds)
    curve: tuple[Interval, ...]  # seconds by which each share of CURVE is done; empty as ``times``
    blockers: tuple[ThreadHolder, ...]  # the most important first
    unknown: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """never-finishes or finishes by the best guess, unless the interval also has an even chance
        of the contrary; else may-stall."""
        if self.stall.value >= 1 - MARGIN and self.stall.low >= 0.5:
            return "never-finishes"
        if self.stall.value <= MARGIN and self.stall.high <= 0.5:
            return "finishes"
        return "may-stall"


def predict(
    watch: Watch,
    functions: Sequence[str],
    mode: Mode,
    *,
    limit: float,
    seed: int,
    tick: float = TRANSITION_TICK,
    hook: SampledHook | None = None,
) -> Prediction:
    """Return the transition of a patch of ``functions`` in ``mode``, the same for the same seed.

    ``limit``: seconds until it would be given up. ``tick``: seconds between two looks of an engine
    that looks now and then. ``hook``: another engine, that looks then and shuts no gate. Raises
    ManifestError if the files of the workload contradict themselves or do not say enough.
    """
    dice = np.random.default_rng(seed)
    kernel = mode.leave is Leave.LEAVE_KERNEL
    found = groups(watch, functions, kernel=kernel)
    bound = elsewhere(watch, functions, kernel=kernel)
    found = (*found, *assumed(watch, found, kernel=kernel))
    blind = kernel and watch.stacks is not None and not watch.stacks.borders
    if mode.leave is Leave.LEAVE_FUNCTION:
        found = bound = ()
    hooks = {group: _hook(group, mode, hook) for group in (*found, *bound)}
    slow = [group for group in found if group.timeless]
    if sum(group.threads * group.inside for group in slow) < _NEGLIGIBLE:
        found, slow = tuple(group for group in found if group not in slow), []
    drawn = _Transition(mode, limit, tick, gate=hook is None)
    times: tuple[tuple[str, Interval], ...] = ()
    curve: tuple[Interval, ...] = ()
    if slow or blind:
        at_once, stall = _without_times(found, hooks, drawn, dice)
    else:
        at_once, stall, times, curve = drawn.all_of((*found, *bound), hooks, dice)
    if blind:
        at_once, stall = _not_known(at_once, low=0.0), _not_known(stall, high=1.0)
    unwatched = [group for group in found if group.stuck and not group.watched]
    if unwatched and not _certain(drawn, [g for g in found if g not in unwatched], hooks, dice):
        stall, times, curve = _not_known(stall, low=0.0, high=1.0), (), ()
    if bound:
        at_once, stall = _bounded(at_once, stall, from_below=kernel)
        times, curve = (), ()
    return Prediction(
        limit=limit,
        seed=seed,
        at_once=at_once,
        stall=stall,
        times=times,
        curve=curve,
        blockers=_blockers((*found, *(bound if kernel else ())), hooks, drawn, dice),
        unknown=tuple(
            unknown(
                watch,
                found,
                functions,
                mode,
                slow,
                blind=blind,
                bound=bound,
                enough=WATCHED_ENOUGH * limit,
            )
        ),
    )


def _not_known(of: Interval, *, low: float | None = None, high: float | None = None) -> Interval:
    """Return an interval without a value, with new bounds."""
    return Interval(
        value=math.nan,
        low=of.low if low is None else low,
        high=of.high if high is None else high,
    )


def _bounded(at_once: Interval, stall: Interval, *, from_below: bool) -> tuple[Interval, Interval]:
    """Return the intervals if threads stay inside for at least, or at most, the assumed time."""
    if from_below:
        sure = stall.value >= 1 - MARGIN
        return _not_known(at_once, low=0.0), replace(stall if sure else _not_known(stall), high=1.0)
    sure = stall.high <= MARGIN
    return _not_known(at_once, high=1.0), replace(stall if sure else _not_known(stall), low=0.0)


def _certain(
    drawn: "_Transition",
    found: Sequence[Group],
    hooks: dict[Group, SampledHook],
    dice: np.random.Generator,
) -> bool:
    """Return the transition never finishes, by these groups alone."""
    known = [group for group in found if not group.timeless]
    return drawn.all_of(known, hooks, dice)[1].low >= 0.5


def _hook(group: Group, mode: Mode, asked: SampledHook | None) -> SampledHook:
    """Return when the engine checks a group; threads without a border are checked by ticks."""
    if asked is not None:
        return asked
    if mode.method == "count":
        return SampledHook.EXIT
    stopped = mode.switch is Switch.SWITCH_KERNEL and mode.method == "stack"
    return SampledHook.TICK if group.kthread or stopped else SampledHook.EXIT


class _Transition:
    """A generator of random times to finish, in one mode."""

    def __init__(self, mode: Mode, limit: float, tick: float, *, gate: bool) -> None:
        self.gate = gate and mode.switch is Switch.SWITCH_KERNEL
        #: All threads must be outside at once. In mode checkpoint, threads are held at the border,
        #: so only the last one matters.
        self.whole = (
            mode.switch is Switch.SWITCH_KERNEL
            and mode.leave is not Leave.LEAVE_KERNEL
            and not self.gate
        )
        self.limit, self.tick = limit, tick

    def all_of(
        self, found: Sequence[Group], hooks: dict[Group, SampledHook], dice: np.random.Generator
    ) -> tuple[Interval, Interval, tuple[tuple[str, Interval], ...], tuple[Interval, ...]]:
        best = np.sort(self._times({g: g.load(hooks[g]) for g in found}, SAMPLES, _STAGES, dice))
        guesses = [
            np.sort(
                self._times(
                    {group: group.load(hooks[group], dice) for group in found},
                    SAMPLES_OF_A_GUESS,
                    _STAGES_OF_A_GUESS,
                    dice,
                )
            )
            for _ in range(GUESSES if found else 1)
        ]

        def interval(measure: Callable[[Floats], float]) -> Interval:
            value = measure(best)
            low, high = _middle([measure(times) for times in guesses])
            return Interval(value=value, low=min(low, value), high=max(high, value))

        def until(at: float) -> Interval:
            return interval(lambda times: self._quantile(times, at))

        return (
            interval(lambda times: float((times <= 0).mean())),
            interval(lambda times: float((times > self.limit).mean())),
            tuple((name, until(at)) for name, at in _QUANTILES),
            tuple(until(at) for at in CURVE),
        )

    def _times(
        self, groups: dict[Group, Load], samples: int, stages: int, dice: np.random.Generator
    ) -> Floats:
        loads, limit = list(groups.values()), self.limit
        if self.gate:
            free = [load for group, load in groups.items() if group.kthread]
            held = [load for group, load in groups.items() if not group.kthread]
            return gated(held, free, samples=samples, limit=limit, dice=dice, stages=4 * stages)
        if not self.whole:
            return each_thread(loads, samples=samples, limit=limit, tick=self.tick, dice=dice)
        return whole_kernel(
            loads, samples=samples, limit=limit, tick=self.tick, dice=dice, stages=stages
        )

    def _quantile(self, times: Floats, at: float) -> float:
        """Return the quantile ``at`` of sorted times; infinity beyond the limit."""
        value = float(times[min(int(at * len(times)), len(times) - 1)])
        return value if value <= self.limit else math.inf


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the middle 95 of 100 values; below 40 values, of all."""
    ordered = sorted(values)
    cut = int(0.025 * len(ordered))
    return ordered[cut], ordered[-1 - cut]


def _without_times(
    found: Sequence[Group],
    hooks: dict[Group, SampledHook],
    drawn: _Transition,
    dice: np.random.Generator,
) -> tuple[Interval, Interval]:
    """(at once, stall) from shares alone. A stall lies between visits so short that each look is a
    new try, and visits so long that no look sees anything else than the first one."""
    limit, looks = drawn.limit, int(drawn.limit / drawn.tick) + 1

    def outcome(dice: np.random.Generator | None) -> tuple[float, float]:
        log_clear, tries_fail, log_leaves, certain = 0.0, 0.0, 0.0, False
        for group in found:
            if group.stuck:
                stays = 1.0 if dice is None else math.exp(-limit * group.leaving(dice))
                log_leaves += group.threads * math.log1p(-min(stays, 1 - 1e-12))
                continue
            inside = min(group.drawn_inside(dice) if dice else group.inside, 1.0)
            certain |= inside >= 1
            log_clear += group.threads * math.log1p(-min(inside, 1 - 1e-12))
            if hooks[group] is SampledHook.TICK:
                again = inside**looks
                tries_fail += group.threads * math.log1p(-min(again, 1 - 1e-12))
        clear = 0.0 if certain or any(g.stuck for g in found) else math.exp(log_clear)
        if drawn.whole:
            ticking = any(hooks[group] is SampledHook.TICK for group in found)
            short = (1 - math.exp(log_clear)) ** looks if ticking else float(certain)
        else:
            short = 1.0 if certain else 1 - math.exp(tries_fail)
        return clear, 1 - (1 - short) * math.exp(log_leaves)

    best = outcome(None)
    low_clear, high_clear = _middle([outcome(dice)[0] for _ in range(GUESSES)])
    low_short, _ = _middle([outcome(dice)[1] for _ in range(GUESSES)])
    low, high = min(low_short, best[1]), max(1 - low_clear, 1 - best[0])
    known = high - low <= MARGIN or best[1] >= 1 - MARGIN
    return (
        Interval(value=best[0], low=min(low_clear, best[0]), high=max(high_clear, best[0])),
        Interval(value=high if known else math.nan, low=low, high=high),
    )


def _blockers(
    found: Sequence[Group],
    hooks: dict[Group, SampledHook],
    drawn: _Transition,
    dice: np.random.Generator,
) -> tuple[ThreadHolder, ...]:
    """Rank blockers by the thread-seconds for which they hold up the transition.

    Threads that switch one by one, or are held once outside, do so until they have left. Where all
    have to be outside at once, every thread inside does.
    """
    limit = drawn.limit
    rows: list[tuple[float, Group, str, float]] = []
    for group in found:
        for part in group.parts:
            if part.inside <= 0:
                continue
            seconds = limit
            if not (drawn.whole or group.stuck or group.timeless):
                load = replace(group, parts=(part,)).load(
                    SampledHook.EXIT if drawn.gate else hooks[group]
                )
                wait = waits(load, 4000, limit=limit, tick=drawn.tick, dice=dice)
                seconds = float(np.minimum(wait, limit).mean())
            rows.append((group.threads * part.inside * seconds, group, part.function, part.inside))
    total = sum(row[0] for row in rows)
    rows.sort(key=lambda row: (not row[1].stuck, -row[0], row[1].comm, row[2]))
    return tuple(
        ThreadHolder(
            comm=group.comm,
            function=function,
            kthread=group.kthread,
            threads=group.threads,
            inside=inside,
            share=held / total,
            never=group.stuck,
        )
        for held, group, function, inside in rows
    )
