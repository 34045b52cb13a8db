# SPDX-License-Identifier: MIT
"""Many explorations, or predictions, of one patch: one for each point of a grid of parameters.

A point and its result are plain values that can be sent to another process or machine.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeVar

from lppack import consistency
from lppack.analyse.sample import Sampled, predicted
from lppack.analyse.simulate import LIMIT, Verdict, ends, verdict_of
from lppack.checker import observe, scenario
from lppack.checker.machine import Kind
from lppack.checker.scenario import Patch
from lppack.checker.semantics import Rules
from lppack.consistency import EngineName, ModeName
from lppack.forecast.sampler import SampledHook
from lppack.forecast.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorePoint:
    """One exploration: a mode, and how many threads and objects there are."""

    mode: ModeName
    threads: int = 2
    kthreads: int = 0  # kernel threads, in addition to these
    objects: int = 1  # of the data that is converted
    preempted: EngineName | None = None  # engine that moves threads, if kernel code is preempted

    @property
    def exists(self) -> bool:
        """True if the engine that moves the threads gives the mode."""
        return self.preempted is None or self.preempted in consistency.mode_named(self.mode).engines

    @property
    def size(self) -> int:
        """An estimate of the work, only for comparing points."""
        return (self.threads + self.kthreads) * self.objects * (4 if self.preempted else 1)


#: The verdict where nothing bad was reached, but not every state was explored.
UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploredPoint:
    point: ExplorePoint
    verdict: str  # a value of Verdict, or UNDECIDED
    reached: tuple[str, ...]  # names of the forbidden flags that were reached
    states: int
    events: int
    whole: bool  # False: it has more than LIMIT states
    covers: bool  # whether the mode covers the needs; no other mode is ever applied

    @property
    def ok(self) -> bool:
        return self.verdict in (Verdict.SAFE, Verdict.MAY_STALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePoint:
    """One prediction: a mode, and the parameters of the drawn transitions."""

    mode: ModeName
    timeout: float = 60.0  # seconds
    hook: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledPoint:
    point: SamplePoint
    sampled: Sampled

    @property
    def verdict(self) -> str:
        return self.sampled.prediction.verdict

    @property
    def covers(self) -> bool:
        return self.sampled.covers

    @property
    def ok(self) -> bool:
        return self.verdict != "never-finishes"


Point = ExplorePoint | SamplePoint
SweptPoint = ExploredPoint | SampledPoint


P = TypeVar("P", ExplorePoint, SamplePoint)


def grid(first: P, axes: Mapping[str, Sequence[Any]]) -> Iterator[P]:
    """Yield ``first`` with every combination of ``axes``."""
    for values in product(*axes.values()):
        yield replace(first, **dict(zip(axes, values, strict=True)))


@dataclass(frozen=True, slots=True)
class Exploring:
    """Explore one point of a patch."""

    patch: Patch
    ends: Mapping[ModeName, tuple[bool, bool]]  # (blocked, never ends), the same for every point

    @classmethod
    def of(cls, patch: Patch, points: Iterable[ExplorePoint]) -> "Exploring":
        found = {}
        for name in dict.fromkeys(point.mode for point in points):
            blockers, never = ends(patch, consistency.mode_named(name), Rules(), [])
            found[name] = bool(blockers), never
        return cls(patch, found)

    def __call__(self, point: ExplorePoint) -> ExploredPoint:
        from lppack.checker.counted import count  # late: with numpy

        patch, rules = self.patch, Rules()
        mode = consistency.mode_named(point.mode)
        wanted = scenario.forbidden(patch.needs)
        machines = [scenario.switching(patch, mode, rules, preempted=point.preempted)]
        if converting := scenario.converting(patch, mode, rules):
            machines.append(replace(converting, objects=point.objects))
        kinds = (Kind.TASK,) * point.threads + (Kind.KTHREAD,) * point.kthreads
        every = [count(m, kinds, limit=LIMIT) for m in machines]
        reached = functools.reduce(int.__or__, (found.seen for found in every)) & wanted
        blocked, never = self.ends[point.mode]
        verdict: str = verdict_of(unsafe=bool(reached), never=never, blocked=blocked)
        whole = all(found.whole for found in every)
        if not whole and verdict in (Verdict.SAFE, Verdict.MAY_STALL):
            verdict = UNDECIDED
        return ExploredPoint(
            point=point,
            verdict=verdict,
            reached=tuple(
                str(flag.name) for flag in observe.names(reached) if flag in observe.WORDS
            ),
            states=sum(found.states for found in every),
            events=sum(found.events for found in every),
            whole=whole,
            covers=mode.covers(patch.needs),
        )


@dataclass(frozen=True, slots=True)
class Sampling:
    """Predict one point of a patch; ``watch`` holds what was read of the machine's files."""

    patch: Patch
    watch: Watch

    def __call__(self, point: SamplePoint) -> SampledPoint:
        made = predicted(
            self.patch,
            self.watch,
            point.mode,
            limit=point.timeout,
            seed=point.seed,
            hook=SampledHook(point.hook) if point.hook else None,
        )
        return SampledPoint(point=point, sampled=made)


def usable(every: Iterable[SweptPoint]) -> tuple[ModeName, ...]:
    """Return the modes that cover the needs, and that are ok at every point."""
    every = tuple(every)
    others = {row.point.mode for row in every if not (row.ok and row.covers)}
    names = {row.point.mode for row in every} - others
    return tuple(mode.name for mode in consistency.MODES if mode.name in names)
