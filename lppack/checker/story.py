# SPDX-License-Identifier: MIT
"""A transition and its revert: one run of many, chosen to show what the mode does."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lppack.checker.explorer import Population, Step, successors
from lppack.checker.machine import (
    NEW,
    OLD,
    OUTSIDE,
    Globals,
    Machine,
    Others,
    Phase,
    Place,
    State,
    Thread,
)
from lppack.checker.runs import RunStep, told
from lppack.checker.scene import Scene
from lppack.consistency import Switch, Transform

_THREADS = 3
_LIMIT = 20_000  # states on the way to one goal


class _Goal(NamedTuple):
    reached: Callable[[Globals, Others], bool]
    kept: Callable[[Globals], bool]  # holds in each state on the way


def story(m: Machine) -> tuple[Scene, tuple[RunStep, ...]]:
    """Return the first scene, and the steps of a run.

    Threads are inside and outside the patched functions when the patch is applied. The transition,
    the conversion of an object if the patch converts data, and the revert follow. A goal that is
    not reached is skipped.
    """
    first = state = m.first((0,) * _THREADS)
    steps: list[Step] = []
    for goal in _goals(m):
        steps += _shortest(m, state, goal) or ()
        state = steps[-1].state if steps else first
    return Scene(m, first), told(m, steps)


def _goals(m: Machine) -> Iterator[_Goal]:
    def before(k: Globals) -> bool:
        return k.phase == Phase.IDLE

    def there(k: Globals) -> bool:
        return k.turns == 1 and k.phase != Phase.UNDOING

    def back(k: Globals) -> bool:
        return True

    if m.functions:
        yield _Goal(_some_inside, before)
    yield _Goal(lambda k, threads: k.phase == Phase.TRANSITION, lambda k: k.turns <= 1)
    if m.functions and m.switch is not Switch.SWITCH_KERNEL:
        yield _Goal(_both_run, there)
    yield _Goal(lambda k, threads: k.phase == Phase.COMPLETE, there)
    if m.objects and m.transform is Transform.TRANSFORM_ON_ACCESS:
        yield _Goal(lambda k, threads: any(o.form == NEW for o in k.data), there)
    elif m.functions:
        yield _Goal(lambda k, threads: any(_runs(t, NEW) for t in threads), there)
    yield _Goal(lambda k, threads: k.target == OLD and k.turns == 2, back)
    yield _Goal(lambda k, threads: k.phase == Phase.COMPLETE and k.target == OLD, back)


def _runs(t: Thread, univ: int) -> bool:
    return any(frame.univ == univ for frame in t.stack)


def _some_inside(k: Globals, threads: Others) -> bool:
    *inside, last = threads
    return all(_runs(t, OLD) for t in inside) and last.place == Place.USER


def _both_run(k: Globals, threads: Others) -> bool:
    return len({f.univ for t in threads for f in t.stack if f.univ != OUTSIDE}) > 1


def _shortest(m: Machine, first: State, goal: _Goal) -> list[Step] | None:
    """Return a shortest run to ``goal``; None if it is not reached within _LIMIT states."""
    parents: dict[State, tuple[State, Step] | None] = {first: None}
    queue = deque([first])
    while queue and len(parents) < _LIMIT:
        state = queue.popleft()
        if goal.reached(*state):
            steps = []
            while (back := parents[state]) is not None:
                state, step = back
                steps.append(step)
            return steps[::-1]
        for step in successors(m, state, Population.ORDERED):
            if step.state not in parents and goal.kept(step.state[0]):
                parents[step.state] = (state, step)
                queue.append(step.state)
    return None
