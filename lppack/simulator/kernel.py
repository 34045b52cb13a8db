# SPDX-License-Identifier: MIT
"""One kernel in memory that lives on: tasks that call functions, live patches, a log, a clock.

It moves by the rules of lppack/simulator/rules.py alone; which step comes next is drawn, from a
seed. What it logs, and when, is kernel/livepatch/core.c and transition.c of v6.1.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lppack import consistency
from lppack.consistency import ModeName, Transform
from lppack.simulator import rules
from lppack.simulator.explorer import Population, Step, successors
from lppack.simulator.machine import (
    NEW,
    OLD,
    Frame,
    Kernel,
    Machine,
    Object,
    Phase,
    Place,
    State,
    Thread,
)
from lppack.simulator.scenario import SETTINGS

_STEPS_A_SECOND = 50
_OBJECTS = 3
#: Rules that somebody has to ask for; the others happen by themselves.
_COMMANDS = frozenset(("R6", "R11", "T4"))


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
    held: bool = False  # asleep until somebody wakes it


@dataclass(slots=True)
class LivePatch:
    module: str
    info: dict[str, Any]
    functions: list[list[str]]  # [object, function]
    mode: str
    enabled: bool = True
    known: bool = True  # the kernel lists it among its live patches
    complete: bool = False
    converting: bool = False
    new: list[int] = field(default_factory=lambda: [OLD] * _OBJECTS)  # form of each object

    @property
    def converts(self) -> bool:
        return bool(self.info.get("transforms"))


@dataclass(slots=True)
class SimulatedKernel:
    release: str = ""
    version: str = ""
    seed: int = 0
    time: float = 0.0  # seconds
    turns: int = 0  # steps drawn
    tasks: list[Task] = field(default_factory=list)
    patches: list[LivePatch] = field(default_factory=list)
    moving: str | None = None  # module; klp_transition_patch
    words: list[int] = field(default_factory=list)  # of the kernel, while something moves
    log: list[str] = field(default_factory=list)

    @classmethod
    def fresh(cls, seed: int = 0) -> "SimulatedKernel":
        comms = ("init", "web", "web", "db")
        tasks = [Task(pid=100 + n, comm=comm) for n, comm in enumerate(comms)]
        tasks.append(Task(pid=2, comm="kworker/0:1", kthread=True, place=Place.KERNEL))
        return cls(seed=seed, tasks=tasks)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "SimulatedKernel":
        """Raises KeyError, TypeError if it is not what to_json() made."""
        made = {**value}
        made["tasks"] = [Task(**task) for task in value["tasks"]]
        made["patches"] = [LivePatch(**patch) for patch in value["patches"]]
        return cls(**made)

    def patch(self, module: str) -> LivePatch | None:
        return next((patch for patch in self.patches if patch.module == module), None)

    # --- what is asked of it ---

    def load(self, made: LivePatch) -> None:
        """R6. Raises FileExistsError, BlockingIOError (a transition is under way)."""
        if self.patch(made.module):
            raise FileExistsError
        if self.moving:
            raise BlockingIOError
        self._say(f"livepatch: enabling patch '{made.module}'")
        self.patches.append(made)
        self._begin(made, NEW)

    def reverse(self, module: str) -> None:
        """R11; in the middle of a transition, turns it round."""
        patch = self.patch(module)
        if patch is None or not patch.known:
            raise FileNotFoundError
        if self.moving not in (None, module):
            raise BlockingIOError
        if self.moving is None:  # T4 comes first: pre_unpatch of the glue
            self.convert(module, on=False)
        self._begin(patch, OLD if patch.enabled else NEW)

    def convert(self, module: str, *, on: bool) -> None:
        """T3 and T4. Raises BlockingIOError (not complete), NotImplementedError (no data)."""
        patch = self.patch(module)
        if patch is None:
            raise FileNotFoundError
        if on and not patch.converts:
            raise NotImplementedError
        if not patch.complete:
            if on:
                raise BlockingIOError
            return
        patch.converting = on
        if not on:
            patch.new = [OLD] * len(patch.new)

    def unload(self, module: str) -> None:
        """Raises FileNotFoundError, BlockingIOError (in use)."""
        patch = self.patch(module)
        if patch is None:
            raise FileNotFoundError
        if patch.known or any(by == module for t in self.tasks for _, by in t.stack):
            raise BlockingIOError
        self.patches.remove(patch)

    def hold(self, function: str) -> Task:
        """Puts a task to sleep inside ``function``, in the universe that it would call now."""
        idle = (t for t in self.tasks if not t.held and not t.stack and not t.kthread)
        while (task := next(idle, None)) is None:
            self.pass_time(0.1)
            idle = (t for t in self.tasks if not t.held and not t.stack and not t.kthread)
        task.place = Place.KERNEL
        task.stack.append([function, self._called(task, function)])
        task.held = True
        return task

    def wake(self, task: Task) -> None:
        task.held = False

    def pass_time(self, seconds: float) -> None:
        """So much happens as has time to."""
        self.time += seconds
        for _ in range(max(1, int(seconds * _STEPS_A_SECOND))):
            if not self._step():
                return

    def blockers(self) -> list[tuple[Task, str | None]]:
        """Tasks that keep the transition open, each with the patched function that it is in."""
        patch = self.patch(self.moving) if self.moving else None
        if patch is None:
            return []
        m, (k, threads) = self._project(patch)
        names = {function for _, function in patch.functions}
        found = []
        for task, t in zip(self.tasks, threads, strict=True):
            late = any(word != k.target for word in t.u) if m.per_thread else k.sw != (k.target,)
            if late and (m.per_thread or rules.area_frames(m, t, 0)):
                inside = next((fn for fn, _ in reversed(task.stack) if fn in names), None)
                found.append((task, inside))
        return found

    # --- by the rules ---

    def _called(self, task: Task, function: str) -> str:
        for patch in reversed(self.patches):
            if not patch.known or function not in [f for _, f in patch.functions]:
                continue
            if patch.module == self.moving:
                m, (k, _) = self._project(patch)
                words = (task.word,) if m.per_thread else k.sw
                fn = [f for _, f in patch.functions].index(function)
                if words[fn if m.per_function else 0] == OLD:
                    continue
            return patch.module
        return ""

    def _begin(self, patch: LivePatch, target: int) -> None:
        turned = self.moving == patch.module
        patch.enabled, patch.complete = target == NEW, False
        if not turned:
            self.moving = patch.module
            before = OLD if target == NEW else NEW
            self.words = [before] * len(patch.functions)
            for task in self.tasks:
                task.word = before
            self._say(f"livepatch: '{patch.module}': starting {_verb(patch)} transition")
        m, (k, threads) = self._project(patch)
        begun = rules.begin(m, k, threads, target, "R6", "")
        self._store(patch, (begun.kernel, tuple(map(begun.each, threads))))

    def _step(self) -> bool:
        """One step of the rules, drawn; False if there is none."""
        # Also of one that is no longer in use: who is still in its code has to leave it.
        live = [patch for patch in self.patches if patch.known] or self.patches
        patch = self.patch(self.moving) if self.moving else (live[-1] if live else None)
        if patch is None:
            return False
        m, state = self._project(patch)
        able = [s for s in successors(m, state, Population.ORDERED) if self._happens(s)]
        if not able:
            return False
        self.turns += 1
        step = self._drawn(able)
        self._store(patch, step.state)
        if step.rule == "R9":
            self._complete(patch)
        return True

    def _drawn(self, able: list[Step]) -> Step:
        """Who moves, then by which rule, then how: those with many ways get no more turns."""
        draw = random.Random(self.seed * 1_000_003 + self.turns)
        who = draw.choice(sorted({step.place for step in able}))
        rule = draw.choice(sorted({step.rule for step in able if step.place == who}))
        ways = [step for step in able if (step.place, step.rule) == (who, rule)]
        return draw.choice(sorted(ways, key=lambda step: step.text))

    def _happens(self, step: Step) -> bool:
        if step.place < 0:
            return step.rule not in _COMMANDS and step.text != "conversion is enabled"
        return step.rule == "R7 R8" or not self.tasks[step.place].held

    def _complete(self, patch: LivePatch) -> None:
        self.moving = None
        self._say(f"livepatch: '{patch.module}': {_verb(patch)} complete")
        if not patch.enabled:
            patch.known = False
            return
        patch.complete = True
        if patch.info.get("replaces"):
            for other in self.patches:
                if other is not patch:  # klp_unpatch_replaced_patches()
                    other.known = other.enabled = False

    def _project(self, patch: LivePatch) -> tuple[Machine, State]:
        """The machine of one patch, and what it sees of this kernel."""
        mode = consistency.mode_named(ModeName(patch.mode))
        names = [function for _, function in patch.functions]
        m = Machine(
            rules=rules.Rules(),
            leave=mode.leave,
            switch=mode.switch,
            kthreads=mode.kthread,
            functions=tuple(names),
            transform=Transform.TRANSFORM_ON_ACCESS if patch.converts else Transform.NONE,
            objects=len(patch.new) if patch.converts else 0,
            watch_p=False,
            watch_kernel=False,
            **SETTINGS[mode.name],
        )
        moving = self.moving == patch.module
        settled = (NEW if patch.enabled else OLD,) * m.words
        objects = tuple(Object(form=form, tracked=form) for form in patch.new)
        k = Kernel(
            phase=Phase.TRANSITION if moving else Phase.COMPLETE,
            target=NEW if patch.enabled else OLD,
            sw=() if m.per_thread else (tuple(self.words[: m.words]) if moving else settled),
            conv=int(patch.converting),
            data=objects if patch.converts else (),
            armed=int(moving),
            turns=1,
        )
        threads = tuple(
            rules.recount(
                m,
                Thread(
                    kind=int(task.kthread),
                    place=task.place,
                    u=((task.word,) if moving else settled) if m.per_thread else (),
                    stack=tuple(
                        Frame(names.index(fn), NEW if by == patch.module else OLD)
                        for fn, by in task.stack
                        if fn in names
                    ),
                ),
            )
            for task in self.tasks
        )
        return m, (k, threads)

    def _store(self, patch: LivePatch, state: State) -> None:
        """What a step of the machine has made."""
        k, threads = state
        names = [function for _, function in patch.functions]
        if k.sw:
            self.words[: len(k.sw)] = k.sw
        patch.new = [o.form for o in k.data] or patch.new
        below = next((p.module for p in reversed(self.patches) if p is not patch and p.known), "")
        for task, t in zip(self.tasks, threads, strict=True):
            task.place = t.place
            task.word = t.u[0] if t.u else task.word
            kept = [call for call in task.stack if call[0] in names]
            others = [call for call in task.stack if call[0] not in names]
            made = [
                kept[i]
                if i < len(kept)
                else [names[frame.fn], patch.module if frame.univ == NEW else below]
                for i, frame in enumerate(t.stack)
            ]
            task.stack = others + made

    def _say(self, line: str) -> None:
        self.log = [*self.log[-500:], line]


def _verb(patch: LivePatch) -> str:
    return "patching" if patch.enabled else "unpatching"
