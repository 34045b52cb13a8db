# SPDX-License-Identifier: MIT
"""Every interleaving of many interchangeable threads: how many are in each state, in numpy.

What explorer.py does for Population.COUNTED one state after the other, done for many at once: all
states that have the same kernel stand in one array, each an integer whose digits are the numbers of
threads in each local state. A step of one thread adds a constant. Of the other threads, rules look
only at whether any is in some local state (except for births, which this refuses). What a rule has
looked at is recorded, so it is evaluated once for all states that it cannot distinguish.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lppack.checker import observe
from lppack.checker.explorer import flips
from lppack.checker.machine import Globals, Machine, Moved, Phase, Thread, Turned
from lppack.checker.semantics import engine_steps, thread_steps

Codes = NDArray[Any]  # int64, or Python's integers where 63 bits do not do
_BITS = 63
_ALL = -1  # every bit


@dataclass(slots=True)
class Counted:
    """What an exploration came to; the same numbers as explorer.Found."""

    states: int = 0
    events: int = 0
    seen: int = 0
    completes: bool = False
    whole: bool = True  # False: stopped at the limit


class _Others(Collection[Thread]):
    """Threads in a fixed order; knows how far they were looked at."""

    def __init__(self, *first: Thread, named: Sequence[tuple[int, Thread]]) -> None:
        self._first, self._named = first, named  # known anyway; (bit, local state)
        self.looked = 0  # bits of local states of which it was seen whether somebody is there

    def __iter__(self) -> Iterator[Thread]:
        yield from self._first
        for bit, t in self._named:
            self.looked |= (2 << bit) - 1
            yield t
        self.looked = _ALL

    def __len__(self) -> int:
        self.looked = _ALL
        return len(self._first) + len(self._named)

    def __contains__(self, thread: object) -> bool:
        return any(thread == t for t in self)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What rules say wherever of the local states ``looked`` just those of ``found`` are there."""

    looked: int
    found: int
    steps: Sequence[Moved | Turned]


class _Cell:
    """All states with one kernel."""

    def __init__(self, kernel: Globals, bits: int) -> None:
        self.kernel = kernel
        self.fields: dict[Thread, int] = {}  # local state: where its number stands in a code
        self.todo: list[Codes] = []
        self.answers: dict[Thread | None, list[_Answer]] = {}  # None: of the engine
        self.alone = 0  # bits of local states that were observed
        self.crowds: set[int] = set()  # sets of profiles that were observed
        #: What can be observed of a thread among others: bits of the local states that have it.
        self.profiles: dict[object, int] = {}
        self._bits = bits
        self._runs: list[Codes] = []  # what was seen, each sorted, the largest first

    @property
    def wide(self) -> bool:
        return len(self.fields) * self._bits > _BITS

    def shift(self, t: Thread) -> int:
        """Where the number of threads in the local state ``t`` stands."""
        if t not in self.fields:
            profile = (frozenset(observe.activations((t,))), t.u)
            self.profiles[profile] = self.profiles.get(profile, 0) | 1 << len(self.fields)
            self.fields[t] = len(self.fields) * self._bits
            if self.wide:
                self._runs = [run.astype(object) for run in self._runs]
        return self.fields[t]

    def named(self, pattern: int) -> list[tuple[int, Thread]]:
        """(bit, local state) of a set."""
        return [(bit, t) for bit, t in enumerate(self.fields) if pattern >> bit & 1]

    def fits(self, codes: Codes) -> Codes:
        return codes.astype(object) if self.wide else codes

    def take(self) -> Codes:
        """Return the states to be visited that are new, and remember them."""
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
    first = np.ones(len(codes), dtype=bool)
    np.not_equal(codes[1:], codes[:-1], out=first[1:])
    return codes[first]


class _Search:
    def __init__(self, m: Machine, threads: int) -> None:
        self._m = m
        self._bits = threads.bit_length()
        self._cells: dict[Globals, _Cell] = {}
        self.found = Counted()

    def cell(self, kernel: Globals) -> _Cell:
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
        self.found.completes |= cell.kernel.phase == Phase.COMPLETE
        digit = (1 << self._bits) - 1
        numbers = [codes >> shift & digit for shift in cell.fields.values()]
        present = np.zeros(len(codes), dtype=codes.dtype)
        for bit, number in enumerate(numbers):
            present |= (number > 0).astype(codes.dtype) << bit
        self._observe(cell, present)
        for bit, t in enumerate(list(cell.fields)):
            if bit >= len(numbers):
                break  # came up meanwhile: nobody is there yet
            at = np.flatnonzero(numbers[bit])
            if len(at):
                last = np.equal(numbers[bit][at], 1).astype(codes.dtype) << bit
                self._each(cell, codes[at], present[at] & ~last, t)
        self._each(cell, codes, present, None)

    def _observe(self, cell: _Cell, present: Codes) -> None:
        """Note what the states show: each thread by itself, and all together."""
        fresh = int(np.bitwise_or.reduce(present)) & ~cell.alone
        cell.alone |= fresh
        for _, t in cell.named(fresh):
            self.found.seen |= observe.alone(self._m, cell.kernel, t)
        crowds = np.zeros(len(present), dtype=present.dtype)
        for number, bits in enumerate(cell.profiles.values()):
            crowds |= ((present & bits) != 0).astype(present.dtype) << number
        for crowd in set(_distinct(crowds).tolist()) - cell.crowds:
            cell.crowds.add(crowd)
            masks = [m for number, m in enumerate(cell.profiles.values()) if crowd >> number & 1]
            some = [cell.named(mask & -mask)[0][1] for mask in masks]
            self.found.seen |= observe.together(cell.kernel, some)

    def _each(self, cell: _Cell, codes: Codes, others: Codes, t: Thread | None) -> None:
        """Take every step that ``t`` (None: the engine) may take in the states of ``codes``."""
        answers = cell.answers.setdefault(t, [])
        tried = 0
        while len(codes):
            if tried == len(answers):
                answers.append(self._ask(cell, t, int(others[0])))
            answer = answers[tried]
            tried += 1
            fits = others & answer.looked == answer.found
            there = codes[fits]
            if len(there):
                for step in answer.steps:
                    self._step(cell, there, t, step)
                codes, others = codes[~fits], others[~fits]

    def _ask(self, cell: _Cell, t: Thread | None, pattern: int) -> _Answer:
        k, named = cell.kernel, cell.named(pattern)
        asked = [_Others(named=named)]
        steps: Sequence[Moved | Turned] = (
            list(engine_steps(self._m, k, asked[0]))
            if t is None
            else list(thread_steps(self._m, k, t, asked[0]))
        )
        for step in steps:
            self.found.seen |= step.saw | observe.moved_in_stop(k, step.rule)
            if flips(step.rule):
                before = _Others(*((t,) if t else ()), named=named)
                after = (
                    _Others(named=[(bit, step.each(other)) for bit, other in named])
                    if isinstance(step, Turned)
                    else _Others(*step.threads, named=named)
                )
                self.found.seen |= observe.in_step((k, before), (step.kernel, after))
                asked += [before, after]
        looked = 0
        for others in asked:
            looked |= others.looked
        return _Answer(looked, pattern & looked, steps)

    def _step(self, cell: _Cell, codes: Codes, t: Thread | None, step: Moved | Turned) -> None:
        self.found.events += len(codes)
        if isinstance(step, Turned):
            self._put(cell, codes, step.kernel, step.each, ())
        elif t is not None and (step.kernel != cell.kernel or step.threads != (t,)):
            self._put(cell, codes - (1 << cell.fields[t]), step.kernel, _same, step.threads)

    def _put(
        self,
        cell: _Cell,
        codes: Codes,
        kernel: Globals,
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
            made = codes & sum(digit << shift for shift, to in moved if shift == to)
            for shift, to in moved:
                if shift != to:
                    made += (codes >> shift & digit) << to
        added = sum(1 << target.shift(t) for t in more)
        target.todo.append(target.fits(made) + added)


def _same(t: Thread) -> Thread:
    return t


def count(m: Machine, kinds: tuple[int, ...], *, limit: int = 200_000_000) -> Counted:
    """Explore ``m`` with threads of these kinds, from the state before apply."""
    if m.births:
        raise ValueError("threads created meanwhile cannot be counted")
    search = _Search(m, len(kinds))
    kernel, threads = m.first(kinds)
    cell = search.cell(kernel)
    for t in threads:
        cell.shift(t)
    code = sum(1 << cell.shift(t) for t in threads)
    cell.todo.append(np.array([code], dtype=object if cell.wide else np.int64))
    search.run(limit)
    return search.found
