# SPDX-License-Identifier: MIT
"""Groups of threads that were not observed: declared ones, and those that every machine has."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from lppack.abi import SYSCALL
from lppack.forecast.group import Group, Part
from lppack.forecast.watch import WORKLOAD, Watch, lengths_of, refused
from lppack.model import Visits

ALL = "(all)"  # threads of any name
SOMEBODY = "some thread"  # a thread that was not observed


def declared(watch: Watch, functions: Sequence[str], *, kernel: bool) -> tuple[Group, ...]:
    """Return the declared visits to ``functions``; with ``kernel``, visits of tasks to the
    kernel."""

    def wanted(visits: Visits) -> bool:
        area = [SYSCALL] if kernel and not visits.kthread else functions
        return visits.function in area

    return _groups(watch, wanted)


def assumed(watch: Watch, found: Sequence[Group], *, kernel: bool) -> tuple[Group, ...]:
    """Return a thread for each function that some thread never leaves, or sleeps in without a
    limit.

    Functions that were observed (``found``) are skipped.
    """
    told = {part.function for group in found for part in group.parts if part.inside > 0}
    told.update(visits.function for visits, _ in watch.histograms)
    watched = watch.stacks is not None or (kernel and SYSCALL in told)
    return (
        *(
            _somebody(name, kthread=True, watched=math.inf)
            for name in watch.stays
            if name not in told
        ),
        *(
            _somebody(name, kthread=False, watched=None)
            for name in watch.sleeps
            if name not in told and not watched
        ),
    )


def _somebody(function: str, *, kthread: bool, watched: float | None) -> Group:
    part = Part(function=function, inside=1.0, samples=math.inf, visits=0.0, lengths=None)
    return Group(
        comm=SOMEBODY, kthread=kthread, threads=1, watched=watched, parts=(part,), stuck=True
    )


def elsewhere(watch: Watch, functions: Sequence[str], *, kernel: bool) -> tuple[Group, ...]:
    """Return tasks with declared visits to the kernel, but none to ``functions``.

    With ``kernel``, the reverse, each with the one function that it is in most. With stacks, none,
    as stacks show both. Raise ManifestError if the declarations contradict each other.
    """
    if watch.stacks is not None:
        return ()
    known = _tasks(watch, [SYSCALL] if kernel else functions)
    others = _tasks(watch, functions if kernel else [SYSCALL])
    made = []
    for other in others:
        most = max(other.parts, key=lambda part: part.inside)  # calls may nest: no sum is a bound
        of_it = [group for group in known if group.comm in (other.comm, ALL)]
        for group in of_it if kernel else ():
            if group.threads == other.threads and most.inside > group.inside * 1.001:
                raise refused(
                    WORKLOAD,
                    "workload",
                    f"{other.comm} is in {most.function} for {most.inside:.3g} of the time, and in "
                    f"{SYSCALL} for {group.inside:.3g}",
                    "a thread that is in a function is in the kernel: watch both at the same time",
                )
        left = other.threads - sum(group.threads for group in of_it)
        if left > 0:
            made.append(replace(other, threads=left, parts=(most,)))
    return tuple(made)


def _tasks(watch: Watch, functions: Sequence[str]) -> tuple[Group, ...]:
    return _groups(watch, lambda visits: visits.function in functions and not visits.kthread)


def _groups(watch: Watch, wanted: Callable[[Visits], bool]) -> tuple[Group, ...]:
    by_comm: dict[tuple[str, bool, int], list[Part]] = {}
    for visits, histogram in watch.histograms:
        if visits.threads is None or not wanted(visits):
            continue
        lengths = lengths_of(visits, histogram, watch.workload.watched)
        seen = histogram.visits if histogram else None
        rate = visits.per_second
        if rate is None and seen and watch.workload.watched:
            rate = seen / watch.workload.watched
        if rate is None or lengths is None:
            continue  # the rule visits-say-how-long has let it through for another function
        inside = rate * lengths.mean / visits.threads
        if inside >= 1:
            raise refused(
                visits.histogram or WORKLOAD,
                "workload",
                f"{visits.threads} threads cannot be in {visits.function} for "
                f"{rate * lengths.mean:.3g} s in each second",
                "the calls of more threads were counted, or threads call it while they are in it",
            )
        part = Part(
            function=visits.function,
            inside=inside,
            samples=math.inf,
            visits=float(seen) if seen else None,
            lengths=lengths,
            histogram=histogram is not None,
        )
        key = (visits.comm or ALL, visits.kthread, visits.threads)
        by_comm.setdefault(key, []).append(part)
    return tuple(
        Group(
            comm=comm,
            kthread=kthread,
            threads=threads,
            watched=watch.workload.watched,
            parts=tuple(parts),
            # Declared values are exact; only the shape of the distribution is unknown.
            spread=0.0,
        )
        for (comm, kthread, threads), parts in by_comm.items()
    )
