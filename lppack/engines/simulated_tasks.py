# SPDX-License-Identifier: MIT
"""Tasks and live patches of a simulated kernel, and their view for the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lppack import consistency
from lppack.checker.machine import (
    NEW,
    OLD,
    Frame,
    Globals,
    Machine,
    Object,
    Phase,
    Place,
    State,
    Thread,
)
from lppack.consistency import ModeName, Transform

if TYPE_CHECKING:
    from lppack.checker.semantics import Rules

OBJECTS = 3


@dataclass(slots=True)
class Task:
    pid: int
    comm: str
    kthread: bool = False
    place: int = Place.USER
    stack: list[list[str]] = field(
        default_factory=list
    )  # [function, module or ""], outermost first
    word: int = OLD
    held: bool = False  # takes no step by itself: asleep, or controlled by a test


@dataclass(slots=True)
class LivePatch:
    module: str
    info: dict[str, Any]
    functions: list[list[str]]  # [object, function]
    mode: str
    enabled: bool = True
    known: bool = True  # the kernel lists it as a live patch
    converting: bool = False
    new: list[int] = field(default_factory=lambda: [OLD] * OBJECTS)  # form of each object
    # objects that a revert reverses
    tracked: list[int] = field(default_factory=lambda: [0] * OBJECTS)
    stopped: int = 0  # Globals.stopped: the world is stopped, to convert data
    spin: int = 0  # Globals.spin: the same, in a mode that counts calls
    refuses: bool = False  # WORLD: an object cannot be converted
    problem: str | None = None  # why the engine gave up the last transition; None: it did not

    @property
    def converts(self) -> bool:
        return bool(self.info.get("transforms"))

    @property
    def irreversible(self) -> bool:
        return bool(self.info.get("irreversible"))

    @property
    def world(self) -> bool:
        return bool(self.info.get("world"))

    @property
    def transform(self) -> Transform:
        if self.world:
            return Transform.TRANSFORM_WORLD
        return Transform.TRANSFORM_ON_ACCESS if self.converts else Transform.NONE

    @property
    def names(self) -> list[str]:
        return [function for _, function in self.functions]


def machine_of(patch: LivePatch, by: "Rules | None", depth: int) -> Machine:
    """Return the machine of one patch, in its mode, as the real engines run it."""
    # Imported late: the status of a kernel without a patch does not need the rules.
    from lppack.checker.scenario import settings
    from lppack.checker.semantics import Rules

    mode = consistency.mode_named(ModeName(patch.mode))
    return Machine(
        rules=by or Rules(),
        leave=mode.leave,
        switch=mode.switch,
        kthreads=mode.kthread,
        functions=tuple(patch.names),
        depth=depth,
        transform=patch.transform,
        objects=len(patch.new) if patch.transform is not Transform.NONE else 0,
        refuses=patch.refuses,
        watch_p=False,
        watch_kernel=False,
        **settings(mode),
    )


def state_of(
    m: Machine, patch: LivePatch, tasks: Sequence[Task], words: Sequence[int] | None
) -> State:
    """Return the state for the machine of ``patch``; ``words``: only for the patch in transition.

    Calls of other patches' functions are outside P: they must return before the calls below them.
    """
    from lppack.checker import semantics

    target = NEW if patch.enabled else OLD
    settled = (target,) * m.words
    pairs = zip(patch.new, patch.tracked, strict=True)
    objects = tuple(Object(form=form, tracked=tracked) for form, tracked in pairs)
    k = Globals(
        phase=Phase.COMPLETE if words is None else Phase.TRANSITION,
        target=target,
        sw=() if m.per_thread else settled if words is None else tuple(words[: m.words]),
        conv=int(patch.converting),
        stopped=patch.stopped,
        spin=patch.spin,
        data=objects[: m.objects],
        armed=int(words is not None),
        turns=1,
    )
    threads = (
        Thread(
            kind=int(task.kthread),
            place=task.place,
            u=() if not m.per_thread else settled if words is None else (task.word,),
            stack=tuple(
                Frame(m.functions.index(fn), NEW if by == patch.module else OLD)
                if fn in m.functions
                else Frame(len(m.functions))
                for fn, by in task.stack
            ),
        )
        for task in tasks
    )
    return k, tuple(semantics.recount(m, t) for t in threads)


def keep(state: State, patch: LivePatch, tasks: Sequence[Task], below: Mapping[str, str]) -> None:
    """Store the stacks and data after a step of the machine; ``below``: modules of old calls."""
    k, threads = state
    names = patch.names
    patch.converting = bool(k.conv)
    patch.stopped, patch.spin = k.stopped, k.spin
    if k.data:
        patch.new = [o.form for o in k.data]
        patch.tracked = [o.tracked for o in k.data]
    for task, t in zip(tasks, threads, strict=True):
        task.place = t.place
        entered = [
            [names[frame.fn], patch.module if frame.univ == NEW else below[names[frame.fn]]]
            for frame in t.stack[len(task.stack) :]
        ]
        task.stack = task.stack[: len(t.stack)] + entered
