# SPDX-License-Identifier: MIT
"""Every interleaving of many interchangeable threads, many states at a time, with numpy.

The result is that of explorer.py for Population.COUNTED. All states with the same kernel are in one
array. Each state is an integer; its digits are the numbers of threads in each local state. A step
of one thread adds a constant. Rules only check whether some other thread is in a given local state
(except for births, which count() refuses). _Others records these checks, so that each rule runs
once for all states that it cannot distinguish.
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

Codes = NDArray[Any]  # int64; Python's integers if 63 bits are not enough
_BITS = 63
_ALL = -1  # every bit


@dataclass(slots=True)
class Counted:
    """The result of an exploration; the same numbers as in explorer.Found."""

    states: int = 0
    events: int = 0
    seen: int = 0
    completes: bool = False
    whole: bool = True  # False: stopped at the limit


class _Others(Collection[Thread]):
    """The other threads, in a fixed order; records which local states a rule has checked."""

    def __init__(self, *first: Thread, named: Sequence[tuple[int, Thread]]) -> None:
        self._first, self._named = first, named  # known without a check; (bit, local state)
        self.looked = 0  # bits of the local states that were checked for threads

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
    """The steps in states in which, of the local states ``looked``, just ``found`` are occupied."""

    looked: int
    found: int
    steps: Sequence[Moved | Turned]


class _Cell:
    """All states with one kernel."""

    def __init__(self, kernel: Globals, bits: int) -> None:
        self.kernel = kernel
        self.fields: dict[Thread, int] = {}  # local state -> bit position of its number in a code
        self.todo: list[Codes] = []
        self.answers: dict[Thread | None, list[_Answer]] = {}  # None: of the engine
        self.alone = 0  # bits of the local states that were observed singly
        self.crowds: set[int] = set()  # sets of profiles that were observed
        #: What together() observes of a thread -> bits of the local states with that profile.
        self.profiles: dict[object, int] = {}
        self._bits = bits
        self._runs: list[Codes] = []  # visited states, in sorted arrays, the largest first

    @property
    def wide(self) -> bool:
        return len(self.fields) * self._bits > _BITS

    def shift(self, t: Thread) -> int:
        """Return the bit position of the number of threads in ``t``; add ``t`` if it is new."""
        if t not in self.fields:
            profile = (frozenset(observe.activations((t,))), t.u)
            self.profiles[profile] = self.profiles.get(profile, 0) | 1 << len(self.fields)
            self.fields[t] = len(self.fields) * self._bits
            if self.wide:
                self._runs = [run.astype(object) for run in self._runs]
        return self.fields[t]

    def named(self, pattern: int) -> list[tuple[int, Thread]]:
        """Return (bit, local state) of each bit that is set in ``pattern``."""
        return [(bit, t) for bit, t in enumerate(self.fields) if pattern >> bit & 1]

    def fits(self, codes: Codes) -> Codes:
        return codes.astype(object) if self.wide else codes

    def take(self) -> Codes:
        """Empty ``todo``; return those of its states that are new, and remember them as visited."""
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
    """Return the codes sorted, without duplicates; numpy's unique() hashes: slower here."""
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
                break  # added in this loop: no thread is in it yet
            at = np.flatnonzero(numbers[bit])
            if len(at):
                last = np.equal(numbers[bit][at], 1).astype(codes.dtype) << bit
                self._each(cell, codes[at], present[at] & ~last, t)
        self._each(cell, codes, present, None)

    def _observe(self, cell: _Cell, present: Codes) -> None:
        """Record what the states show: each thread alone, and all threads together.

        ``present``: for each state, the bits of the local states that have threads.
        """
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
        """Take every step that ``t`` (None: the engine) may take in the states of ``codes``.

        ``others``: for each state, the bits of the local states of the other threads.
        """
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
        """Queue ``codes`` under ``kernel``: ``each`` changes every thread, ``more`` are added."""
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
    """Explore ``m`` with threads of these kinds, from the state before apply.

    Stop after ``limit`` states. Raise ValueError if threads of ``m`` create threads.
    """
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
