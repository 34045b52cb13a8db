# SPDX-License-Identifier: MIT
"""One kernel in memory that lives on: tasks that call functions, live patches, a log, a clock.

It moves by the rules of lppack/simulator/rules.py alone; which step comes next is drawn, from a
seed. What it logs, and when, is kernel/livepatch/core.c and transition.c of v6.1.
"""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from lppack.simulator import live, rules
from lppack.simulator.explorer import Population, Step, successors
from lppack.simulator.live import LivePatch, Task
from lppack.simulator.machine import NEW, OLD, Machine, Place, State
from lppack.simulator.rules import Rules

_STEPS_A_SECOND = 50
#: Rules that somebody has to ask for; the others happen by themselves.
_COMMANDS = frozenset(("R6", "R11", "T4"))


class NoData(Exception):
    """The patch converts nothing: the kernel answers EOPNOTSUPP, as lp_convert_set() does."""


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
    depth: int = 1  # so many patched functions one stack holds at most
    #: What tasks call while nothing is loaded; None: nothing.
    target: LivePatch | None = None
    rules: Rules = field(default_factory=Rules, repr=False, compare=False)  # not kept

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
        made["target"] = LivePatch(**value["target"]) if value.get("target") else None
        return cls(**made)

    def to_json(self) -> dict[str, Any]:
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "rules"}
        kept["tasks"] = [asdict(task) for task in self.tasks]
        kept["patches"] = [asdict(patch) for patch in self.patches]
        kept["target"] = asdict(self.target) if self.target else None
        return kept

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
        """T3 and T4. Raises BlockingIOError (not complete), NoData."""
        patch = self.patch(module)
        if patch is None:
            raise FileNotFoundError
        if on and not patch.converts:
            raise NoData
        m, (k, threads) = self._project(patch)
        if on and not k.conv:
            enabled = next(m.rules.data.enable(m, k, threads), None)
            if enabled is None:
                raise BlockingIOError
            k = enabled.kernel
        elif not on:
            m = replace(m, revert=True)
            while (undone := next(m.rules.data.undo(m, k, threads), None)) is not None:
                k = undone.kernel
        self._store(patch, (k, threads))

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
        patch.enabled, patch.problem = target == NEW, None
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

    def steps(self) -> list[Step]:
        """All that the rules allow now, whoever does it."""
        patch = self._ruled_by()
        return list(successors(*self._project(patch), Population.ORDERED)) if patch else []

    def take(self, step: Step) -> None:
        """Does one of steps()."""
        patch = self._ruled_by()
        assert patch
        self._store(patch, step.state)
        if patch.enabled and step.state[0].target == OLD:
            patch.enabled, patch.problem = False, step.text
            self._say(f"livepatch: '{patch.module}': given up: {step.text}")
        if step.rule == "R9":
            self._complete(patch)

    def _ruled_by(self) -> LivePatch | None:
        # Also one that is no longer in use: who is still in its code has to leave it.
        live_ones = [patch for patch in self.patches if patch.known] or self.patches
        last = live_ones[-1] if live_ones else self.target
        return self.patch(self.moving) if self.moving else last

    def _step(self) -> bool:
        """One step of the rules, drawn; False if there is none."""
        able = [step for step in self.steps() if self._happens(step)]
        if not able:
            return False
        self.turns += 1
        self.take(self._drawn(able))
        return True

    def _drawn(self, able: list[Step]) -> Step:
        """Who moves, then by which rule, then how: those with many ways get no more turns."""
        draw = random.Random(self.seed * 1_000_003 + self.turns)
        who = draw.choice(sorted({step.place for step in able}))
        rule = draw.choice(sorted({step.rule for step in able if step.place == who}))
        ways = [step for step in able if (step.place, step.rule) == (who, rule)]
        return draw.choice(sorted(ways, key=lambda step: step.text))

    def _happens(self, step: Step) -> bool:
        patch = self._ruled_by()
        if step.rule in ("T1", "T2") and patch and patch.refuses and patch.enabled:
            return step.state[0].target == OLD
        if step.place < 0:
            return step.rule not in _COMMANDS and step.text != "conversion is enabled"
        return step.rule == "R7 R8" or not self.tasks[step.place].held

    def _complete(self, patch: LivePatch) -> None:
        self.moving = None
        self._say(f"livepatch: '{patch.module}': {_verb(patch)} complete")
        if not patch.enabled:
            patch.known = False
            return
        if patch.info.get("replaces"):
            for other in self.patches:
                if other is not patch:  # klp_unpatch_replaced_patches()
                    other.known = other.enabled = False

    def _project(self, patch: LivePatch) -> tuple[Machine, State]:
        """The machine of one patch, and what it sees of this kernel."""
        m = live.machine_of(patch, self.rules, self.depth)
        words = self.words if self.moving == patch.module else None
        return m, live.state_of(m, patch, self.tasks, words)

    def _store(self, patch: LivePatch, state: State) -> None:
        """What a step of the machine has made."""
        if words := state[0].sw:
            self.words[: len(words)] = words
        below = next((p.module for p in reversed(self.patches) if p is not patch and p.known), "")
        live.keep(state, patch, self.tasks, below)

    def _say(self, line: str) -> None:
        self.log = [*self.log[-500:], line]


def _verb(patch: LivePatch) -> str:
    return "patching" if patch.enabled else "unpatching"
