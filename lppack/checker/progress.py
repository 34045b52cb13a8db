# SPDX-License-Identifier: MIT
"""Progress: fair runs in which a transition never ends, L1 to L7 of docs/semantics.md."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lppack.checker.area import area_frames
from lppack.checker.explorer import Population, Step, successors
from lppack.checker.machine import Globals, Kind, Machine, Phase, Place, State, Thread, p_frames

#: Rules by which the engine, not the thread itself, acts on a thread.
_BY_THE_ENGINE = ("R7 R8",)


@dataclass(frozen=True, slots=True)
class Stall:
    """States that a fair run can visit for ever without an end of the transition."""

    states: tuple[State, ...]

    def blockers(self, m: Machine) -> tuple[int, ...]:
        """Return the indexes of the threads that are in the area in some of these states."""
        threads = range(len(self.states[0][1]))
        return tuple(i for i in threads if any(area_frames(m, s[1][i], 0) > 0 for s in self.states))


Graph = dict[State, list[Step]]


def graph(m: Machine, first: State, keep: Callable[[Globals], bool]) -> Graph:
    """Return the reachable states that ``keep`` accepts, with their steps; threads are ordered."""
    seen: Graph = {}
    todo = [first]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen[state] = list(successors(m, state, Population.ORDERED))
        todo += [step.state for step in seen[state]]
    return {state: steps for state, steps in seen.items() if keep(state[0])}


def in_transition(k: Globals) -> bool:
    return k.phase == Phase.TRANSITION


def components(steps: Graph) -> Iterator[list[State]]:
    """Yield the strongly connected components (Tarjan, without recursion), also single states."""
    index: dict[State, int] = {}
    low: dict[State, int] = {}
    stack: list[State] = []
    on_stack: set[State] = set()
    for root in steps:
        if root in index:
            continue
        work = [(root, iter(steps[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            state, rest = work[-1]
            for step in rest:
                after = step.state
                if after not in steps:
                    continue
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(steps[after])))
                    break
                if after in on_stack:
                    low[state] = min(low[state], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == index[state]:
                    part: list[State] = []
                    while not part or part[-1] != state:
                        part.append(stack.pop())
                        on_stack.discard(part[-1])
                    yield part


def stall(m: Machine, first: State, *, leave: bool = True) -> Stall | None:
    """Return a fair run from ``first`` in which the transition does not end; None if there is none.

    Fair: a thread or engine that can always move does move. With ``leave``, also: system calls end,
    and a kernel thread leaves P now and then, unless it is in a function that is never left.
    """
    steps = graph(m, first, in_transition)
    for part in components(steps):
        if _fair(m, part, steps, leave):
            return Stall(tuple(part))
    return None


def _fair(m: Machine, part: list[State], steps: Graph, leave: bool) -> bool:
    inside = set(part)
    for i in range(len(part[0][1])):
        own = [[s for s in steps[state] if s.place == i and not _engine(s)] for state in part]
        moves = any(s.state in inside for each in own for s in each)
        asleep = all(_in(m.sleeps, state[1][i]) for state in part)
        if not moves and all(own) and not asleep:
            return False  # it could move in every state, and never does
        stays = asleep or any(_in(m.stays, state[1][i]) for state in part)
        if leave and not stays and not any(_is_out(state[1][i]) for state in part):
            return False
        if all(any(s.place == i and _engine(s) for s in steps[state]) for state in part):
            return False  # a tick could flip it in every state
    return not all(any(s.place == -1 for s in steps[state]) for state in part)


def _engine(step: Step) -> bool:
    return step.rule in _BY_THE_ENGINE


def _in(functions: tuple[int, ...], t: Thread) -> bool:
    return any(frame.fn in functions for frame in t.stack)


def _is_out(t: Thread) -> bool:
    return not p_frames(t) if t.kind == Kind.KTHREAD else t.place == Place.USER
