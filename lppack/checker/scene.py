# SPDX-License-Identifier: MIT
"""One moment of a run, in words: where each thread is, and the state of the kernel."""

from dataclasses import dataclass, field

from lppack.checker.machine import (
    NEW,
    ON_THE_WAY,
    OUTSIDE,
    Form,
    Globals,
    Machine,
    Object,
    Phase,
    Place,
    State,
    Thread,
)

UNIVERSES = ("old", "new", "newest")
PHASES = {
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
_PLACES = {
    Place.BLOCKED: ", asleep",
    Place.EXIT_LOOP: ", in the exit loop",
    Place.HELD: ", held at the gate",
}
_WORKS = ("fput", "the engine's", "a late one of the engine's")  # indexes: works.FPUT, OURS, LATE


@dataclass(frozen=True, slots=True)
class Scene:
    machine: Machine = field(compare=False, repr=False)
    state: State

    @property
    def threads(self) -> tuple[str, ...]:
        """Where each thread is, and which universe it calls in."""
        return tuple(_thread(self.machine, t) for t in self.state[1])

    @property
    def kernel(self) -> str:
        """The phase, the switch words of the kernel, conversion, and the form of the objects."""
        return _kernel(self.machine, self.state[0])


def _thread(m: Machine, t: Thread) -> str:
    names = (*m.functions, *m.outside)
    words = " > ".join(
        names[frame.fn] + (f"({UNIVERSES[frame.univ]})" if frame.univ != OUTSIDE else "()")
        for frame in t.stack
    )
    if not words:
        words = "user space" if t.place == Place.USER else "kernel"
    words += _PLACES.get(Place(t.place), "")
    if t.inside in ON_THE_WAY:
        fn, univ = t.pending
        words += f", in the ftrace call to {names[fn]}({UNIVERSES[univ]})"
    if t.works or t.running:
        words += f", works: {', '.join(_WORKS[work] for work in (*t.running, *t.works))}"
    if t.gone:
        words += ", off the list"
    if t.inside in _FORMS:
        words += f", {_FORMS[Form(t.inside)]}"
    return f"{words} [{'/'.join(UNIVERSES[word] for word in t.u)}]" if t.u else words


def _kernel(m: Machine, k: Globals) -> str:
    words = [PHASES[Phase(k.phase)]]
    words += [f"{name} {UNIVERSES[word]}".lstrip() for name, word in switches(m, k)]
    if k.waiting:
        words.append("the engine waits for its works")
    if k.stopped or k.spin:
        words.append("stopped" if k.stopped else "spinning")
    if k.data:
        words.append("converting" if k.conv else "not converting")
        words += [f"object {object_words(o)}" for o in k.data]
    return ", ".join(words)


def switches(m: Machine, k: Globals) -> tuple[tuple[str, int], ...]:
    """Return (function, universe) of each switch word; function "": one word for all."""
    names = m.functions if m.per_function else ("",)
    return tuple(zip(names, k.sw, strict=True)) if k.sw else ()


def object_words(o: Object) -> str:
    words = "freed" if not o.live else "new" if o.form == NEW else "old"
    return f"{words}, tracked" if o.tracked else words
