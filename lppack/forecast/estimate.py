# SPDX-License-Identifier: MIT
"""Estimate groups of similar threads from the observations of a machine."""

import math
from collections.abc import Sequence

import numpy as np

from lppack.abi import SYSCALL
from lppack.forecast.declared import declared
from lppack.forecast.group import Group, Part
from lppack.forecast.histogram import Histogram
from lppack.forecast.lengths import exponential
from lppack.forecast.stacks import StackCounts, Stacks, kind_of
from lppack.forecast.watch import WORKLOAD, Watch, lengths_of, refused, seen_mean
from lppack.model import Counts, Visits

#: With at least this many threads, their spread is a better estimate than a formula.
_MANY_THREADS = 5
#: A histogram is used instead of at most this many hits.
_FEW_HITS = 100
#: Significance level: below it, a thread that was inside in every sample counts as stuck.
_NO_CHANCE = 1e-3


def groups(watch: Watch, functions: Sequence[str], *, kernel: bool = False) -> tuple[Group, ...]:
    """Return the groups of threads, and their visits to ``functions``; with ``kernel``, those of
    tasks to the kernel instead. Raise ManifestError if the files do not say enough."""
    if watch.stacks is None:
        return declared(watch, functions, kernel=kernel)
    gathered: dict[tuple[str, bool], list[StackCounts]] = {}
    for seen in watch.stacks.threads:
        gathered.setdefault((seen.kind_of_thread, seen.kthread), []).append(seen)
    made: list[Group] = []
    for (comm, kthread), threads in gathered.items():
        names = [SYSCALL] if kernel and not kthread else list(functions)
        made += _Gathering(watch, comm, kthread, threads, gathered).groups(names)
    return tuple(made)


class _Gathering:
    """Collects the groups of one kind of thread from the stacks."""

    def __init__(
        self,
        watch: Watch,
        comm: str,
        kthread: bool,
        threads: list[StackCounts],
        everybody: dict[tuple[str, bool], list[StackCounts]],
    ) -> None:
        assert watch.stacks is not None
        self._watch, self._comm, self._kthread = watch, comm, kthread
        self._threads, self._everybody = threads, everybody
        self._ids = watch.stacks.ids
        self._sampled = watch.workload.counts is Counts.SAMPLES
        self._watched = watch.workload.watched

    def groups(self, functions: Sequence[str]) -> list[Group]:
        stuck = [seen for seen in self._threads if self._is_stuck(seen, functions)]
        moving = [seen for seen in self._threads if seen not in stuck]
        made = [self._stuck(seen, functions) for seen in stuck]
        return [*made, self._moving(moving, functions)] if moving else made

    def _hits(self, seen: StackCounts, function: str) -> int:
        return seen.in_kernel if function == SYSCALL else seen.inside[function]

    def _total(self, seen: StackCounts) -> float:
        if self._sampled:
            return float(seen.total)
        if self._watched is None:
            raise refused(
                self._stacks.path,
                "stacks",
                "counts microseconds, but of how many is not known",
                "give workload.watched, the seconds for which offcputime ran",
            )
        return self._watched * 1e6 * (1 if self._ids else self._number(seen))

    @property
    def _stacks(self) -> Stacks:
        assert self._watch.stacks is not None
        return self._watch.stacks

    def _number(self, seen: StackCounts) -> int:
        if self._ids:
            return 1
        for visits in self._watch.workload.visits:
            if visits.threads and visits.comm and kind_of(visits.comm) == self._comm:
                return visits.threads
        if not seen.inside:
            return 1
        raise refused(
            self._stacks.path,
            "stacks",
            f'how many threads are called "{seen.comm}" is not known: its lines name none',
            "sample with thread ids (stackcollapse-perf.pl --tid), or give workload.visits a "
            f"`comm: {seen.comm}` and its `threads`",
        )

    def _lived(self, seen: StackCounts) -> float | None:
        """Return the seconds for which a thread was observed; it may have begun later, or ended
        earlier."""
        if self._watched is None or not self._ids:
            return self._watched
        most = max(self._total(other) for others in self._everybody.values() for other in others)
        return self._watched * self._total(seen) / most

    def _is_stuck(self, seen: StackCounts, functions: Sequence[str]) -> bool:
        hits = sum(self._hits(seen, function) for function in functions)
        total = self._total(seen)
        if not hits or hits < 0.999 * total:
            return False
        others = [other for other in self._threads if other is not seen]
        around = sum(self._total(other) for other in others)
        share = sum(self._hits(o, f) for o in others for f in functions) / around if around else 1
        tries = total if self._sampled else 1e6
        counted = sum(
            self._counted(function) or 0.0 for function in functions if self._left(seen, function)
        )
        if counted:
            each = counted / len(self._threads)
            tries = min(tries, 2 * each)
            if not others and each >= 1:  # it is the only one, and it did leave
                return False
        return share**tries < _NO_CHANCE if share < 1 else not counted

    def _left(self, seen: StackCounts, function: str) -> bool:
        """Whether visits to ``function`` that ended can be of ``seen``, which was always inside:
        they are counted for its kind, or take more time than others have spent there."""
        known = self._known(function)
        others = [
            other
            for others in self._everybody.values()
            for other in others
            if other is not seen and self._hits(other, function)
        ]
        if not known or known[0].comm or not others:
            return known is not None
        if not (known[1] and self._watched and self._ids):
            return False
        spent = sum(self._hits(other, function) / self._total(other) for other in others)
        visits = known[1].visits * seen_mean(known[1]) / self._watched
        return visits - spent > 0.5

    def _stuck(self, seen: StackCounts, functions: Sequence[str]) -> Group:
        total = sum(self._hits(seen, function) for function in functions)
        parts = tuple(
            Part(
                function=function,
                inside=hits / total,
                samples=float(total),
                visits=0.0,
                lengths=None,
            )
            for function in functions
            if (hits := self._hits(seen, function))
        )
        return Group(
            comm=seen.comm,
            kthread=self._kthread,
            threads=self._number(seen),
            watched=self._lived(seen),
            parts=parts,
            stuck=True,
        )

    def _moving(self, threads: list[StackCounts], functions: Sequence[str]) -> Group:
        number = sum(self._number(seen) for seen in threads)
        total = sum(self._total(seen) for seen in threads)
        shares = [
            sum(self._hits(seen, f) for f in functions) / self._total(seen)
            for seen in threads
            if self._total(seen)
        ]
        many = self._ids and len(shares) >= _MANY_THREADS
        return Group(
            comm=self._comm,
            kthread=self._kthread,
            threads=number,
            watched=self._watched,
            parts=tuple(self._part(threads, f, number, total) for f in functions),
            spread=float(np.var(shares, ddof=1)) if many else None,
        )

    def _part(self, threads: list[StackCounts], function: str, number: int, total: float) -> Part:
        hits = sum(self._hits(seen, function) for seen in threads)
        inside = hits / total if total else 0.0
        samples = total if self._sampled else math.inf
        known = self._known(function)
        lengths = lengths_of(*known, self._watched) if known else None
        counted = self._counted(function)
        if known and known[1] and counted and self._watched and lengths:
            told = counted * seen_mean(known[1]) / (self._watched * number)
            doubt = 4 * math.sqrt(max(inside, told) / max(total, 1.0)) if self._sampled else 0.0
            if hits < _FEW_HITS and abs(told - inside) <= doubt and told < 1:
                inside, samples = told, math.inf
        if known and known[0].per_second and hits:
            rate = known[0].per_second * self._portion(function)
            if lengths and rate * lengths.mean > number:
                raise refused(
                    known[0].histogram or WORKLOAD,
                    "workload",
                    f"{number} threads cannot be in {function} for {rate * lengths.mean:.3g} s in "
                    "each second",
                    "the calls of more threads were counted, or another machine's",
                )
            lengths = lengths or exponential(inside * number / rate)
        return Part(
            function=function,
            inside=inside,
            samples=samples,
            visits=counted,
            lengths=lengths,
            histogram=bool(known and known[1]),
        )

    def _known(self, function: str) -> tuple[Visits, Histogram | None] | None:
        """Return what is declared of ``function`` for these threads, or else for all threads."""
        of = [entry for entry in self._watch.histograms if entry[0].function == function]
        mine = [entry for entry in of if entry[0].comm and kind_of(entry[0].comm) == self._comm]
        return next(iter(mine + [entry for entry in of if entry[0].comm is None]), None)

    def _counted(self, function: str) -> float | None:
        """Return the number of observed visits of these threads; None if they were not counted."""
        known = self._known(function)
        if not known:
            return None
        portion = 1.0 if known[0].comm else self._portion(function)
        if known[1]:
            return known[1].visits * portion
        if known[0].per_second and self._watched:
            return known[0].per_second * self._watched * portion
        return None

    def _portion(self, function: str) -> float:
        """Return the share of these threads in the hits of all threads in ``function``."""
        known = self._known(function)
        if known and known[0].comm:
            return 1.0
        mine = sum(self._hits(seen, function) for seen in self._threads)
        everyone = mine + sum(
            self._hits(seen, function)
            for key, seens in self._everybody.items()
            for seen in seens
            if key != (self._comm, self._kthread) and self._hits(seen, function) < seen.total
        )
        return mine / everyone if everyone else 0.0
