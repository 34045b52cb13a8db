# SPDX-License-Identifier: MIT
"""Every interleaving of many interchangeable threads: how many are in each state, in numpy.

What explorer.py does for Population.COUNTED one state after the other, done for many at once: all
states that have the same kernel stand in one array, each an integer whose digits are the numbers of
threads in each local state. A step of one thread adds a constant. Rules are asked once for each
local state, or, where they look at the others, once for each set of local states that there is:
they ask no more than whether somebody is there (births excepted, which this refuses).
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lppack.simulator import observe
from lppack.simulator.explorer import flips
from lppack.simulator.machine import Kernel, Machine, Moved, Phase, Thread, Turned
from lppack.simulator.rules import engine_steps, thread_steps

Codes = NDArray[Any]  # int64, or Python's integers where 63 bits do not do
_BITS = 63


@dataclass(slots=True)
class Counted:
    """What an exploration came to; the same numbers as explorer.Found."""

    states: int = 0
    events: int = 0
    seen: int = 0
    completes: bool = False
    whole: bool = True  # False: stopped at the limit


class _Others(Collection[Thread]):
    """The other threads; knows whether a rule has looked at them."""

    def __init__(self) -> None:
        self.looked = False

    def __iter__(self) -> Iterator[Thread]:
        self.looked = True
        return iter(())

    def __len__(self) -> int:
        self.looked = True
        return 0

    def __contains__(self, thread: object) -> bool:
        self.looked = True
        return False


class _Cell:
    """All states with one kernel."""

    def __init__(self, kernel: Kernel, bits: int) -> None:
        self.kernel = kernel
        self.fields: dict[Thread, int] = {}  # local state: where its number stands in a code
        self.todo: list[Codes] = []
        self.free: dict[Thread, list[Moved] | None] = {}  # None: rules look at the others
        self.bound: dict[tuple[Thread, int], list[Moved]] = {}  # by who else is there
        self.turned: dict[int, list[Turned]] = {}
        self._bits = bits
        self._runs: list[Codes] = []  # what was seen, each sorted, the largest first

    @property
    def wide(self) -> bool:
        return len(self.fields) * self._bits > _BITS

    def shift(self, t: Thread) -> int:
        """Where the number of threads in the local state ``t`` stands."""
        if t not in self.fields:
            self.fields[t] = len(self.fields) * self._bits
            if self.wide:
                self._runs = [run.astype(object) for run in self._runs]
        return self.fields[t]

    def fits(self, codes: Codes) -> Codes:
        return codes.astype(object) if self.wide else codes

    def take(self) -> Codes:
        """What is to be done and was never seen; from now on it was."""
        codes = _distinct(np.concatenate([self.fits(codes) for codes in self.todo]))
        self.todo = []
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, codes), len(run) - 1)
            codes = codes[run[at] != codes]
        if len(codes):
            self._keep(codes)
        return codes

    def _keep(self, codes: Codes) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(codes):
            codes = np.sort(np.concatenate([self._runs.pop(), codes]), kind="stable")
        self._runs.append(codes)


def _distinct(codes: Codes) -> Codes:
    """Sorted, each once; numpy's own unique() hashes, which takes longer here."""
    codes = np.sort(codes)
    return codes[np.append(True, codes[1:] != codes[:-1])] if len(codes) else codes


class _Search:
    def __init__(self, m: Machine, threads: int) -> None:
        self._m = m
        self._bits = threads.bit_length()
        self._cells: dict[Kernel, _Cell] = {}
        self.found = Counted()

    def cell(self, kernel: Kernel) -> _Cell:
        if kernel not in self._cells:
            self._cells[kernel] = _Cell(kernel, self._bits)
        return self._cells[kernel]

    def run(self, limit: int) -> None:
        while True:
            cell = next((cell for cell in self._cells.values() if cell.todo), None)
            if cell is None:
                return
            codes = cell.take()
            if not len(codes):
                continue
            self.found.states += len(codes)
            if self.found.states > limit:
                self.found.whole = False
                return
            self._expand(cell, codes)

    def _expand(self, cell: _Cell, codes: Codes) -> None:
        digit = (1 << self._bits) - 1
        local = list(cell.fields.items())
        numbers = [codes >> shift & digit for _, shift in local]
        there = [number > 0 for number in numbers]
        present = np.zeros(len(codes), dtype=codes.dtype)
        for bit, some in enumerate(there):
            present |= some.astype(codes.dtype) << bit
        self.found.completes |= cell.kernel.phase == Phase.COMPLETE
        for bit, (t, _) in enumerate(local):
            at = np.flatnonzero(there[bit])
            if not len(at):
                continue
            free = self._free(cell, t)
            if free is not None:
                self._move(cell, codes[at], t, free)
                continue
            rest = present[at] & ~(np.equal(numbers[bit][at], 1).astype(codes.dtype) << bit)
            for others in _distinct(rest).tolist():
                moves = self._bound(cell, t, int(others))
                self._move(cell, codes[at[rest == others]], t, moves)
        for pattern in _distinct(present).tolist():
            for turned in self._turned(cell, int(pattern)):
                self._turn(cell, codes[present == pattern], turned)

    # --- what rules say, asked once ---

    def _threads(self, cell: _Cell, pattern: int) -> tuple[Thread, ...]:
        return tuple(t for bit, t in enumerate(cell.fields) if pattern >> bit & 1)

    def _free(self, cell: _Cell, t: Thread) -> list[Moved] | None:
        if t not in cell.free:
            others = _Others()
            moves = list(thread_steps(self._m, cell.kernel, t, others))
            alone = not others.looked and not any(flips(moved.rule) for moved in moves)
            cell.free[t] = moves if alone else None
            if alone:
                self._see(cell, moves)
        return cell.free[t]

    def _bound(self, cell: _Cell, t: Thread, others: int) -> list[Moved]:
        if (t, others) not in cell.bound:
            rest = self._threads(cell, others)
            moves = list(thread_steps(self._m, cell.kernel, t, rest))
            self._see(cell, moves)
            for moved in moves:
                if flips(moved.rule):
                    before = (cell.kernel, (t, *rest))
                    self.found.seen |= observe.in_step(
                        before, (moved.kernel, (*moved.threads, *rest))
                    )
            cell.bound[t, others] = moves
        return cell.bound[t, others]

    def _see(self, cell: _Cell, moves: list[Moved]) -> None:
        for moved in moves:
            self.found.seen |= moved.saw | observe.moved_in_stop(cell.kernel, moved.rule)

    def _turned(self, cell: _Cell, pattern: int) -> list[Turned]:
        """The engine's steps; what the instant itself shows is noted too."""
        if pattern not in cell.turned:
            threads = self._threads(cell, pattern)
            self.found.seen |= observe.in_state(self._m, (cell.kernel, threads))
            steps = list(engine_steps(self._m, cell.kernel, threads))
            for turned in steps:
                after = (turned.kernel, tuple(map(turned.each, threads)))
                self.found.seen |= turned.saw | observe.moved_in_stop(cell.kernel, turned.rule)
                if flips(turned.rule):
                    self.found.seen |= observe.in_step((cell.kernel, threads), after)
            cell.turned[pattern] = steps
        return cell.turned[pattern]

    # --- steps of many states at once ---

    def _move(self, cell: _Cell, codes: Codes, t: Thread, moves: list[Moved]) -> None:
        for moved in moves:
            self.found.events += len(codes)
            if moved.kernel == cell.kernel and moved.threads == (t,):
                continue  # something was used, and nothing has changed
            rest = codes - (1 << cell.fields[t])
            self._put(cell, rest, moved.kernel, _same, moved.threads)

    def _turn(self, cell: _Cell, codes: Codes, turned: Turned) -> None:
        self.found.events += len(codes)
        self._put(cell, codes, turned.kernel, turned.each, ())

    def _put(
        self,
        cell: _Cell,
        codes: Codes,
        kernel: Kernel,
        each: Callable[[Thread], Thread],
        more: tuple[Thread, ...],
    ) -> None:
        """``codes`` of ``cell``, and ``more`` threads, under another kernel."""
        target = self.cell(kernel)
        if target is cell and each is _same:
            made = codes
        else:
            digit = (1 << self._bits) - 1
            moved = [(shift, target.shift(each(t))) for t, shift in list(cell.fields.items())]
            codes = target.fits(codes)
            made = np.zeros(len(codes), dtype=codes.dtype)
            for shift, to in moved:
                made += (codes >> shift & digit) << to
        added = sum(1 << target.shift(t) for t in more)
        target.todo.append(target.fits(made) + added)


def _same(t: Thread) -> Thread:
    return t


def count(m: Machine, kinds: tuple[int, ...], *, limit: int = 200_000_000) -> Counted:
    """Explores ``m`` with threads of these kinds, from the state before apply."""
    if m.births:
        raise ValueError("threads that are made meanwhile cannot be counted")
    search = _Search(m, len(kinds))
    kernel, threads = m.first(kinds)
    cell = search.cell(kernel)
    for t in threads:
        cell.shift(t)
    code = sum(1 << cell.shift(t) for t in threads)
    cell.todo.append(np.array([code], dtype=object if cell.wide else np.int64))
    search.run(limit)
    return search.found
