# SPDX-License-Identifier: MIT
"""A run that shows a flag, as a table of steps in which each thread has a name."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lppack.checker import observe
from lppack.checker.explorer import Population, Step, explore, successors
from lppack.checker.machine import Machine, State
from lppack.checker.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    who: str  # "T1", "T2", ..., or "engine"
    rule: str
    does: str
    after: Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run from the state before apply to the step that shows ``flag``."""

    flag: observe.Seen
    first: Scene
    steps: tuple[RunStep, ...]

    @property
    def invariant(self) -> str:
        return observe.WORDS[self.flag][0]

    @property
    def says(self) -> str:
        return observe.WORDS[self.flag][1]


def shortest(m: Machine, flag: observe.Seen, most: int = 4) -> Run | None:
    """Return a shortest run to ``flag`` with the fewest threads; None if ``most`` are too few."""
    for number in range(1, most + 1):
        found = explore(m, (0,) * number, until=flag)
        if found.seen & flag:
            _, steps = found.run(flag)
            return _run(m, flag, m.first((0,) * number), _in_order(m, number, steps))
    return None


def _in_order(m: Machine, number: int, steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the same steps with the threads in a fixed order, so that each keeps its name."""
    state = m.first((0,) * number)
    for wanted in steps:
        step = next(
            step
            for step in successors(m, state, Population.ORDERED)
            if (step.rule, step.text, step.who) == (wanted.rule, wanted.text, wanted.who)
            and (step.state[0], tuple(sorted(step.state[1]))) == wanted.state
        )
        state = step.state
        yield step


def replay(m: Machine, flag: observe.Seen, threads: int, said: Sequence[tuple[str, str]]) -> Run:
    """Return the run with the steps ``said``: ("T1" or "engine", what it does).

    Raise LookupError if the rules do not allow a step, or if ``flag`` does not show at the end.
    """
    state = m.first((0,) * threads)
    steps = []
    for number, (who, does) in enumerate(said, start=1):
        for step in successors(m, state, Population.ORDERED):
            if (_who(step), step.text) == (who, does):
                break
        else:
            raise LookupError(f"step {number}: {who} cannot do this there: {does}")
        state = step.state
        steps.append(step)
    last = steps[-1].seen if steps else 0
    if not (observe.in_state(m, state) | last) & flag:
        raise LookupError(f"after {len(said)} steps not reached: {observe.WORDS[flag][1]}")
    return _run(m, flag, m.first((0,) * threads), iter(steps))


def _run(m: Machine, flag: observe.Seen, first: State, steps: Iterator[Step]) -> Run:
    return Run(flag=flag, first=Scene(m, first), steps=told(m, steps))


def told(m: Machine, steps: Iterable[Step]) -> tuple[RunStep, ...]:
    """Return the steps with a name for each thread, and the scene after each step."""
    return tuple(
        RunStep(who=_who(step), rule=step.rule, does=step.text, after=Scene(m, step.state))
        for step in steps
    )


def _who(step: Step) -> str:
    return "engine" if step.place < 0 else f"T{step.place + 1}"
