# SPDX-License-Identifier: MIT
"""Folded stacks of a real machine: which threads were inside the patched set, and how long.

A line is `COMM[-[PID/]TID];FRAME;...;FRAME COUNT`, the outermost frame first: what perf's
stackcollapse-perf.pl --tid, and offcputime -f of bcc, print. Counts must be of wall-clock time,
including sleeping threads. A CPU profile never shows a thread that sleeps inside a patched
function, and such threads delay a transition most.
"""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from lppack import abi
from lppack.forecast.reading import Faults, lines_of

SIZE_MAX = 256 << 20
COUNT_MAX = 1 << 53  # beyond that, sums are no longer exact in a float
THREADS_MAX = 100_000

_LINE = re.compile(r"(.*\S) +([0-9]+)")
_THREAD = re.compile(r"(.+)-(?:(?:[0-9]+|\?)/)?([0-9]+)")
_MARK = re.compile(r"_\[[ki]\]$")  # stackcollapse-perf.pl --kernel, --inline; offcputime -a
_OFFSET = re.compile(r"\+0x[0-9a-f]+(/0x[0-9a-f]+)?$")  # perf script -F +symoff
_COLD = re.compile(r"\.cold(\.[0-9]+)?$")  # gcc's cold part belongs to its function


@dataclass(slots=True, kw_only=True)
class StackCounts:
    """The counts of one thread, or of all threads with one name if ``tid`` is None."""

    comm: str
    tid: int | None  # None: the lines have no ids
    total: int = 0
    in_kernel: int = 0
    of_kthread: int = 0
    #: Counts by the outermost function of the patched set.
    inside: Counter[str] = field(default_factory=Counter)

    @property
    def kthread(self) -> bool:
        """Return True if most of its stacks begin like those of kernel threads."""
        return 2 * self.of_kthread > self.total

    @property
    def kind_of_thread(self) -> str:
        """Return the kind of a thread: names that differ only in numbers are equal (`web-1`:
        `web-*`)."""
        return kind_of(self.comm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """The stacks of one file. ``ids``: each line names a thread. ``borders``: kernel time shows.
    ``named``: patched functions that are in any stack, the outermost one or not."""

    path: Path
    ids: bool
    borders: bool
    named: frozenset[str]
    threads: tuple[StackCounts, ...]


def kind_of(comm: str) -> str:
    return re.sub(r"[0-9]+", "*", comm)


def read_stacks(path: Path, patched: Collection[str]) -> Stacks:
    """Return the stacks in ``path`` as the functions ``patched`` divide them.

    Raise ManifestError with file, line and column of what is no folded stack; also if the file
    holds none at all.
    """
    faults = Faults(path, "stacks")
    seen: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for number, text in lines_of(path, faults, size_max=SIZE_MAX):
        if not text.strip() or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text.rstrip())
        if not match:
            faults.add(number, "does not end in a blank and a count", _HINT)
            continue
        head, *frames = match[1].split(";")
        count = int(match[2]) if len(match[2]) < 20 else COUNT_MAX + 1
        if count > COUNT_MAX:
            faults.add(number, f"the count is above {COUNT_MAX}", column=match.start(2) + 1)
        elif not head.strip() or not frames:
            faults.add(number, "names no thread, or no frame", _HINT)
        else:
            seen.setdefault(head.strip(), []).append((tuple(frames), count))
            if len(seen) > THREADS_MAX:
                faults.add(number, f"more than {THREADS_MAX} threads")
                faults.refuse()
    faults.refuse()
    if not sum(count for stacks in seen.values() for _, count in stacks):
        faults.add(1, "holds no folded stack", _HINT)
        faults.refuse()
    return _divided(path, seen, frozenset(patched))


_HINT = "a line is COMM-TID;FRAME;...;FRAME COUNT, the outermost frame first"


def _divided(
    path: Path, seen: dict[str, list[tuple[tuple[str, ...], int]]], patched: frozenset[str]
) -> Stacks:
    matches = {head: _THREAD.fullmatch(head) for head in seen}
    ids = all(matches.values())
    threads: dict[str | int, StackCounts] = {}
    most: Counter[tuple[int, str]] = Counter()  # a thread may change its name
    marked = any(
        frame.endswith("_[k]")
        for stacks in seen.values()
        for frames, _ in stacks
        for frame in frames
    )
    borders = marked
    named: set[str] = set()
    for head, stacks in seen.items():
        match = matches[head]
        if ids and match:
            tid: int | None = int(match[2])
            key: str | int = int(match[2])
            comm = match[1]
        else:
            tid, key, comm = None, head, head
        thread = threads.setdefault(key, StackCounts(comm=comm, tid=tid))
        for frames, count in stacks:
            names = [_OFFSET.sub("", _MARK.sub("", frame.strip())) for frame in frames]
            thread.total += count
            if tid is not None:
                most[tid, comm] += count
            entered = any(name.startswith(abi.KERNEL_ENTRIES) for name in names)
            borders |= entered
            inside = [f for name in names if (f := _COLD.sub("", name)) in patched]
            named.update(inside)
            held = inside[0] if inside else None
            kernel = any(frame.endswith("_[k]") for frame in frames) if marked else entered
            thread.in_kernel += count if kernel or held is not None else 0
            thread.of_kthread += count if names[0] in abi.KTHREAD_ENTRIES else 0
            if held is not None:
                thread.inside[held] += count
    for (tid, comm), count in most.items():
        if count > most[tid, threads[tid].comm]:
            threads[tid].comm = comm
    return Stacks(
        path=path,
        ids=ids,
        borders=borders,
        named=frozenset(named),
        threads=tuple(threads.values()),
    )
