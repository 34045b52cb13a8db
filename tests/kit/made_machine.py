# SPDX-License-Identifier: MIT
"""A made machine: the paths of its threads, what tools would have seen of it, and how long a
transition really takes on it.

It shares no code with the sampler, and none of its assumptions: a path is a list of calls, one
after the other, for hours; an apply is a moment on it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Draws ``count`` lengths in seconds.
Draw = Callable[[np.random.Generator, int], Floats]

RATE = 99.0  # samples a second of each thread
USER = "main;work"
ENTRY = "main;entry_SYSCALL_64_after_hwframe;do_syscall_64"
KTHREAD = "ret_from_fork;kthread"


@dataclass(frozen=True)
class Kind:
    """``threads`` that are away for a ``gap``, then in ``function`` for a ``visit``, and again."""

    comm: str
    threads: int
    function: str
    visit: Draw | None  # None: never leaves
    gap: Draw
    kthread: bool = False
    #: A system call around each visit takes so many times as long (LEAVE_KERNEL waits for it).
    around: float = 1.0


@dataclass
class World:
    kinds: tuple[Kind, ...]
    seed: int
    hours: float = 5.0
    watched: float = 60.0
    #: Of each thread: its kind, begins and ends of visits.
    paths: list[tuple[Kind, Floats, Floats]] = field(init=False)

    def __post_init__(self) -> None:
        self.dice = np.random.default_rng(self.seed)
        self.end = self.hours * 3600
        self.paths = [(kind, *self._path(kind)) for kind in self.kinds for _ in range(kind.threads)]

    def _path(self, kind: Kind) -> tuple[Floats, Floats]:
        if kind.visit is None:
            return np.array([-1.0]), np.array([math.inf])
        at, begins, ends = 0.0, [], []
        while at < self.end:
            visits = kind.visit(self.dice, 4096) * kind.around
            gaps = kind.gap(self.dice, 4096)
            steps = at + np.cumsum(gaps + visits)
            begins.append(steps - visits)
            ends.append(steps)
            at = float(steps[-1])
        return np.concatenate(begins), np.concatenate(ends)

    # -- what tools see, in ``watched`` seconds from the first hour on

    def folded(self) -> str:
        start = 3600.0
        moments = start + np.arange(0.0, self.watched, 1 / RATE)
        lines: Counter[str] = Counter()
        for tid, (kind, begins, ends) in enumerate(self.paths, 100):
            at = begins.searchsorted(moments, side="right") - 1
            inside = (at >= 0) & (ends[np.maximum(at, 0)] > moments)
            # What lies around the function in the system call is before and after it.
            whole = np.minimum(ends, 1e9) - begins
            core = whole / kind.around
            first = begins + (whole - core) / 2
            where = np.maximum(at, 0)
            deep = inside & (moments >= first[where]) & (moments < first[where] + core[where])
            deep |= inside & (kind.visit is None)
            under = KTHREAD if kind.kthread else ENTRY
            head = f"{kind.comm}-{tid}"
            lines[f"{head};{under};{kind.function};schedule"] += int(deep.sum())
            lines[f"{head};{under};other"] += int((inside & ~deep).sum())
            away = f"{KTHREAD};loop" if kind.kthread else USER
            lines[f"{head};{away}"] += int((~inside).sum())
        return "".join(f"{stack} {count}\n" for stack, count in lines.items() if count)

    def histogram(self, comm: str, *, whole: bool = False) -> str:
        """As funclatency -u prints it, of the calls that began and ended meanwhile."""
        start = 3600.0
        lengths = []
        for kind, begins, ends in self.paths:
            if kind.comm == comm and kind.visit is not None:
                seen = (begins >= start) & (ends < start + self.watched)
                lengths.append((ends - begins)[seen] / (1.0 if whole else kind.around))
        micro = np.concatenate(lengths) * 1e6
        slots = np.maximum(np.ceil(np.log2(micro + 1)), 1).astype(int)
        counts = np.bincount(slots, minlength=2)
        rows = [
            f"{(1 << i) >> 1 if i > 1 else 0:10d} -> {(1 << i) - 1:<10d} : {counts[i]:<8d} |*|"
            for i in range(1, len(counts))
        ]
        total = int(micro.sum())
        head = "     usecs               : count     distribution"
        foot = (
            f"avg = {total // max(len(micro), 1)} usecs, total: {total} usecs, count: {len(micro)}"
        )
        return "\n".join([head, *rows, "", foot, ""])

    def write(self, folder: Path) -> Path:
        file = folder / "world.folded"
        file.write_text(self.folded())
        return file

    # -- the truth

    def applies(self, count: int, limit: float) -> Floats:
        first, last = 3600.0 + self.watched, self.end - limit - 600
        return np.linspace(first, last, count) + self.dice.uniform(0, 1, count)

    def left_at(self, moments: Floats, *, kernel: bool = False) -> Floats:
        """When each thread (row) that is inside at each moment (column) leaves; 0: it is outside.
        ``kernel``: leaves the system call, not the function."""
        rows = []
        for kind, begins, ends in self.paths:
            if kernel or kind.visit is None:
                first, last = begins, ends
            else:
                spare = (ends - begins) * (1 - 1 / kind.around) / 2
                first, last = begins + spare, ends - spare
            at = first.searchsorted(moments, side="right") - 1
            inside = (at >= 0) & (last[np.maximum(at, 0)] > moments)
            rows.append(np.where(inside, last[np.maximum(at, 0)], 0.0))
        return np.array(rows)

    def each_thread(
        self, moments: Floats, *, limit: float, tick: Callable[[Kind], bool], kernel: bool = False
    ) -> Floats:
        """Seconds of each thread (row) until it has switched; infinity: not within ``limit``."""
        wait = np.maximum(self.left_at(moments, kernel=kernel) - moments, 0.0)
        looked = [i for i, (kind, _, _) in enumerate(self.paths) if tick(kind)]
        for row in looked:
            kind, begins, ends = self.paths[row]
            for column, moment in enumerate(moments):
                ticks = moment + np.arange(0, limit + 1)
                at = begins.searchsorted(ticks, side="right") - 1
                free = np.flatnonzero(~((at >= 0) & (ends[np.maximum(at, 0)] > ticks)))
                wait[row, column] = float(free[0]) if len(free) else math.inf
        wait[wait > limit] = math.inf
        return wait

    def whole_kernel(self, moments: Floats, *, limit: float, tick: bool) -> Floats:
        """Seconds until all are outside at once; infinity: not within ``limit``."""
        if tick:
            found = np.full(len(moments), math.inf)
            for number in range(int(limit), -1, -1):
                clear = (self.left_at(moments + number) == 0).all(axis=0)
                found[clear] = number
            return found
        edges = np.concatenate([path[1] for path in self.paths])
        order = np.argsort(edges)
        begins = edges[order]
        tops = np.maximum.accumulate(np.concatenate([path[2] for path in self.paths])[order])
        breaks = np.flatnonzero(begins[1:] > tops[:-1])
        starts = np.concatenate([[begins[0]], begins[breaks + 1]])
        stops = np.append(tops[breaks], tops[-1])
        at = starts.searchsorted(moments, side="right") - 1
        wait = np.maximum(stops[np.maximum(at, 0)] - moments, 0.0)
        wait[wait > limit] = math.inf
        return wait

    def gated(self, moments: Floats, *, limit: float, kernel: bool = False) -> Floats:
        """Seconds until all are outside, where threads are held at the border now and then: shut
        for 0.1 s, open for half of that, and so on with the double, up to 1.6 s."""
        return np.array([self._gated(moment, limit, kernel) for moment in moments])

    def _gated(self, moment: float, limit: float, kernel: bool) -> float:
        late = [0.0] * len(self.paths)  # for how long each was held
        shut, begin = 0.1, moment
        while begin < moment + limit:
            end = min(begin + shut, moment + limit)
            last = begin
            for row, (kind, begins, ends) in enumerate(self.paths):
                if kind.visit is None:
                    return math.inf
                if kind.kthread:
                    continue
                at = int(begins.searchsorted(begin - late[row], side="right")) - 1
                leaves = ends[at] + late[row] if at >= 0 else begin
                spare = (ends[at] - begins[at]) * (1 - 1 / kind.around) / 2 if at >= 0 else 0.0
                if leaves - (0.0 if kernel else spare) > begin:
                    last = max(last, leaves - (0.0 if kernel else spare))
                late[row] += max(0.0, end - max(begin, leaves))
            last = self._kthreads_outside(last)
            if last <= end:
                return last - moment
            begin, shut = end + shut / 2, min(2 * shut, 1.6)
        return math.inf

    def _kthreads_outside(self, moment: float) -> float:
        """The first moment from this one on at which no kernel thread is inside."""
        while True:
            before = moment
            for kind, begins, ends in self.paths:
                at = int(begins.searchsorted(moment, side="right")) - 1 if kind.kthread else -1
                moment = max(moment, float(ends[at])) if at >= 0 else moment
            if moment == before:
                return moment

    def held(self, moments: Floats, times: Floats, *, limit: float) -> dict[tuple[str, str], float]:
        """Thread-seconds that each (comm, function) is inside, from apply to the end."""
        held: dict[tuple[str, str], float] = defaultdict(float)
        for moment, time in zip(moments, np.minimum(times, limit), strict=True):
            grid = moment + np.linspace(0, time, 20, endpoint=False)
            inside = self.left_at(grid) > 0
            for row, (kind, _, _) in enumerate(self.paths):
                held[kind.comm, kind.function] += float(inside[row].mean()) * float(time)
        return held
