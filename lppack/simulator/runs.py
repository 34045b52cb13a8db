# SPDX-License-Identifier: MIT
"""A run that shows something, thread by thread, as a table that a person can follow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lppack.simulator import observe
from lppack.simulator.explorer import Population, Step, explore, successors
from lppack.simulator.machine import (
    NEW,
    OUTSIDE,
    Form,
    Kernel,
    Machine,
    Phase,
    Place,
    State,
    Thread,
)

_UNIVERSES = ("old", "new", "newest")
_PHASES = {
    Phase.IDLE: "not applied",
    Phase.TRANSITION: "in transition",
    Phase.COMPLETE: "complete",
    Phase.UNDOING: "undoing conversion",
}
_FORMS = {
    Form.FLAG_READ: "read the flag",
    Form.RECHECKED: "holds the lock, converts",
    Form.LOCKED_OLD: "holds the lock, found the old form",
    Form.LOCKED_NEW: "holds the lock, found the new form",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    who: str  # "T1", "T2", ..., or "engine"
    rule: str
    does: str
    threads: tuple[str, ...]  # each after the step
    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """From before apply to where ``flag`` shows."""

    flag: observe.Seen
    first: tuple[str, ...]
    steps: tuple[RunStep, ...]

    @property
    def invariant(self) -> str:
        return observe.WORDS[self.flag][0]

    @property
    def says(self) -> str:
        return observe.WORDS[self.flag][1]


def shortest(m: Machine, flag: observe.Seen, most: int = 4) -> Run | None:
    """With as few threads as it takes, at most ``most``; None: not with so few."""
    for number in range(1, most + 1):
        found = explore(m, (0,) * number, until=flag)
        if found.seen & flag:
            _, steps = found.run(flag)
            return _run(m, flag, m.first((0,) * number), _in_order(m, number, steps))
    return None


def _in_order(m: Machine, number: int, steps: Sequence[Step]) -> Iterator[Step]:
    """The same steps, by threads that keep their names."""
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
    """The run whose steps are (who, what it does). Raises LookupError at a step that the rules do
    not allow, and if ``flag`` does not show at the end."""
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
        raise LookupError(f"after {len(said)} steps there is no sign of: {observe.WORDS[flag][1]}")
    return _run(m, flag, m.first((0,) * threads), iter(steps))


def _run(m: Machine, flag: observe.Seen, first: State, steps: Iterator[Step]) -> Run:
    return Run(
        flag=flag,
        first=tuple(thread_words(m, t) for t in first[1]),
        steps=tuple(
            RunStep(
                who=_who(step),
                rule=step.rule,
                does=step.text,
                threads=tuple(thread_words(m, t) for t in step.state[1]),
                kernel=kernel_words(m, step.state[0]),
            )
            for step in steps
        ),
    )


def _who(step: Step) -> str:
    return "engine" if step.place < 0 else f"T{step.place + 1}"


def thread_words(m: Machine, t: Thread) -> str:
    """Where a thread is, and which universe it calls in."""
    names = (*m.functions, *m.outside)
    words = " > ".join(
        names[frame.fn] + (f"({_UNIVERSES[frame.univ]})" if frame.univ != OUTSIDE else "()")
        for frame in t.stack
    )
    if not words:
        words = "user space" if t.place == Place.USER else "kernel"
    if t.place == Place.BLOCKED:
        words += ", asleep"
    if t.inside in _FORMS:
        words += f", {_FORMS[Form(t.inside)]}"
    return f"{words} [{'/'.join(_UNIVERSES[word] for word in t.u)}]" if t.u else words


def kernel_words(m: Machine, k: Kernel) -> str:
    """The phase, the switch words of the kernel, conversion, and the form of the objects."""
    words = [_PHASES[Phase(k.phase)]]
    if m.per_function and k.sw:
        both = zip(m.functions, k.sw, strict=True)
        words += [f"{name} {_UNIVERSES[word]}" for name, word in both]
    elif k.sw:
        words += [_UNIVERSES[word] for word in k.sw]
    if k.stopped or k.spin:
        words.append("stopped" if k.stopped else "spinning")
    if k.data:
        words.append("converting" if k.conv else "not converting")
        words += [_object(o.form, live=bool(o.live), tracked=bool(o.tracked)) for o in k.data]
    return ", ".join(words)


def _object(form: int, *, live: bool, tracked: bool) -> str:
    words = "object freed" if not live else f"object {'new' if form == NEW else 'old'}"
    return f"{words}, tracked" if tracked else words
