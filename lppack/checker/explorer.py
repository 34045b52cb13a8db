# SPDX-License-Identifier: MIT
"""Every interleaving, either of a given number of threads, or of any number.

The three populations differ in what they store of the threads: their order; how many are in each
state (threads are interchangeable); or only which states have at least one thread, which is sound
for any number of threads. Rules only check whether another thread is in an area, so the same rules
serve all three.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from lppack.checker import data, observe
from lppack.checker.machine import Machine, Moved, Phase, State, Thread, Turned
from lppack.checker.semantics import engine_steps, thread_steps

Threads = tuple[Thread, ...]


class Population(Enum):
    ORDERED = "one by one"
    COUNTED = "interchangeable"
    PRESENT = "any number"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run: its rule, the thread that takes it, and the state after it."""

    rule: str
    text: str
    who: Thread | None  # the thread before the step; None: the engine
    place: int  # index of the thread; -1: the engine
    state: State
    seen: int


def _others(population: Population, threads: Threads, i: int) -> Iterator[Threads]:
    rest = threads[:i] + threads[i + 1 :]
    yield rest
    # Another thread may be in the same state, unless only one can be: it holds a lock.
    if population is Population.PRESENT and not data.locks_something(threads[i]):
        yield threads


def _rebuilt(population: Population, rest: Threads, i: int, made: Threads) -> Threads:
    if population is Population.ORDERED:
        return rest[:i] + made + rest[i:]
    if population is Population.COUNTED:
        return tuple(sorted(rest + made))
    return tuple(sorted({*rest, *made}))


def successors(m: Machine, state: State, population: Population) -> Iterator[Step]:
    """Yield every step from ``state``."""
    k, threads = state
    last: Thread | None = None
    for i, t in enumerate(threads):
        if population is Population.COUNTED and t == last:
            continue
        last = t
        for rest in _others(population, threads, i):
            for moved in thread_steps(m, k, t, rest):
                after = (moved.kernel, _rebuilt(population, rest, i, moved.threads))
                yield Step(moved.rule, moved.text, t, i, after, _seen(state, moved, after))
    for turned in engine_steps(m, k, threads):
        made = tuple(map(turned.each, threads))
        if population is not Population.ORDERED:
            made = tuple(sorted(made if population is Population.COUNTED else set(made)))
        after = (turned.kernel, made)
        yield Step(turned.rule, turned.text, None, -1, after, _seen(state, turned, after))


def _seen(before: State, step: Moved | Turned, after: State) -> int:
    seen = step.saw | observe.moved_in_stop(before[0], step.rule)
    return seen | observe.in_step(before, after) if flips(step.rule) else seen


def flips(rule: str) -> bool:
    """Return True if a unit may switch in a step of ``rule``."""
    return "R8" in rule or rule in ("R6", "R11", "R12")


@dataclass(slots=True)
class Found:
    """The result of an exploration."""

    states: int = 0
    events: int = 0
    seen: int = 0
    #: Flag -> the first (state, None) or (state, step) that shows it, at the end of a shortest run.
    witness: dict[observe.Seen, tuple[State, Step | None]] = field(default_factory=dict)
    parents: dict[State, tuple[State, Step] | None] = field(default_factory=dict)
    completes: bool = False
    whole: bool = True  # False: stopped at the limit, or once ``until`` was seen

    def run(self, flag: observe.Seen) -> tuple[State, tuple[Step, ...]]:
        """Return the initial state, and the steps of a shortest run that shows ``flag``."""
        state, step = self.witness[flag]
        steps = [step] if step else []
        while (back := self.parents[state]) is not None:
            state, before = back
            steps.append(before)
        return state, tuple(reversed(steps))


def explore(
    m: Machine,
    kinds: tuple[int, ...] = (0, 0),
    population: Population = Population.COUNTED,
    *,
    first: State | None = None,
    limit: int = 200_000,
    until: int = 0,
) -> Found:
    """Explore breadth first, from ``first``, or from the state before apply.

    ``kinds``: the kind of each thread (for PRESENT: the kinds that exist). Stop early at ``limit``
    states, or once all flags of ``until`` were seen.
    """
    first = first or m.first(kinds)
    found = Found()
    found.parents[first] = None
    queue = deque([first])
    while queue:
        if len(found.parents) > limit or (until and until & ~found.seen == 0):
            found.whole = False
            break
        state = queue.popleft()
        _note(found, observe.in_state(m, state), state, None)
        found.completes |= state[0].phase == Phase.COMPLETE
        moves = False
        for step in successors(m, state, population):
            found.events += 1
            moves |= step.who is None
            if step.seen & ~found.seen:
                _note(found, step.seen, state, step)
            if step.state not in found.parents:
                found.parents[step.state] = (state, step)
                queue.append(step.state)
        if not moves and observe.is_under_way(m, state):
            _note(found, observe.Seen.STUCK, state, None)
    found.states = len(found.parents)
    return found


def _note(found: Found, seen: int, state: State, step: Step | None) -> None:
    fresh = seen & ~found.seen
    if fresh:
        found.seen |= fresh
        for flag in observe.names(fresh):
            found.witness[flag] = (state, step)
