# SPDX-License-Identifier: MIT
"""A persistent simulated kernel: tasks that call functions, live patches, a log, a clock.

It changes only by the rules of lppack/checker/semantics.py; a seed determines the order of steps.
Its log follows kernel/livepatch/core.c and transition.c of v6.1.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from lppack.checker.machine import NEW, OLD, Machine, Place, State
from lppack.engines import simulated_tasks
from lppack.engines.simulated_tasks import LivePatch, Task

if TYPE_CHECKING:
    from lppack.checker.explorer import Step
    from lppack.checker.semantics import Rules

_STEPS_A_SECOND = 50
#: Rules that take effect only on request; the others happen by themselves.
_COMMANDS = frozenset(("R6", "R11", "T4"))
#: Rules for functions of a patch that is not in transition. The patch in transition determines the
#: border, and when threads switch.
_SETTLED = frozenset(("R3", "R4", "T3"))


class NoData(Exception):
    """The patch converts no data: the kernel returns EOPNOTSUPP, as lp_convert_set() does."""


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
    words: list[int] = field(default_factory=list)  # state words of the kernel during a transition
    log: list[str] = field(default_factory=list)
    depth: int = 1  # maximum number of functions of one patch on a stack
    #: Function that tasks call while no patch is loaded; None: no function.
    target: LivePatch | None = None
    rules: "Rules | None" = field(default=None, repr=False, compare=False)  # not stored

    @classmethod
    def fresh(cls, seed: int = 0) -> "SimulatedKernel":
        comms = ("init", "web", "web", "db")
        tasks = [Task(pid=100 + n, comm=comm) for n, comm in enumerate(comms)]
        tasks.append(Task(pid=2, comm="kworker/0:1", kthread=True, place=Place.KERNEL))
        return cls(seed=seed, tasks=tasks)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "SimulatedKernel":
        """Restore a kernel. Raise KeyError or TypeError if to_json() has not written ``value``."""
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

    # --- requests ---

    def load(self, made: LivePatch) -> None:
        """Load a patch (R6). Raise FileExistsError, BlockingIOError (a transition is under way)."""
        if self.patch(made.module):
            raise FileExistsError
        if self.moving:
            raise BlockingIOError
        self._say(f"livepatch: enabling patch '{made.module}'")
        self.patches.append(made)
        self._begin(made, NEW)

    def reverse(self, module: str) -> None:
        """Begin to unpatch (R11); during a transition, reverse it."""
        patch = self.patch(module)
        if patch is None or not patch.known:
            raise FileNotFoundError
        if self.moving not in (None, module):
            raise BlockingIOError
        if (
            self.moving is None and patch.irreversible
        ):  # pre_unpatch of generated code cannot refuse
            patch.converting = False
        elif self.moving is None:  # T4 comes first: pre_unpatch of generated code
            self.convert(module, on=False)
        self._begin(patch, OLD if patch.enabled else NEW)

    def convert(self, module: str, *, on: bool) -> None:
        """Switch conversion (T3, T4). Raise BlockingIOError (not complete), NoData, PermissionError
        (no reverse)."""
        patch = self.patch(module)
        if patch is None:
            raise FileNotFoundError
        if on and not patch.converts:
            raise NoData
        if not on and patch.irreversible and any(patch.tracked):
            raise PermissionError
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
        """Unload a module. Raise FileNotFoundError, BlockingIOError (in use)."""
        patch = self.patch(module)
        if patch is None:
            raise FileNotFoundError
        if patch.known or any(by == module for t in self.tasks for _, by in t.stack):
            raise BlockingIOError
        self.patches.remove(patch)
        left = (*self.patches, *([self.target] if self.target else []))
        for task in self.tasks:  # calls of functions that no patch replaces are not kept
            task.stack = [call for call in task.stack if any(call[0] in p.names for p in left)]

    def hold(self, function: str) -> Task:
        """Put a task to sleep inside ``function``, in the universe of a call at this time.

        Raise LookupError if all tasks are asleep.
        """
        if all(task.held or task.kthread for task in self.tasks):
            raise LookupError(f"no task is left that could sleep in {function}")
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
        """Let ``seconds`` pass, with as many steps as fit into this time."""
        self.time += seconds
        for _ in range(max(1, int(seconds * _STEPS_A_SECOND))):
            if not self._step():
                return

    def blockers(self) -> list[tuple[Task, str | None]]:
        """Return the tasks that block the transition, each with the patched function that it is
        in."""
        from lppack.checker.area import area_frames

        patch = self.patch(self.moving) if self.moving else None
        if patch is None:
            return []
        m, (k, threads) = self._project(patch)
        names = {function for _, function in patch.functions}
        found = []
        for task, t in zip(self.tasks, threads, strict=True):
            late = any(word != k.target for word in t.u) if m.per_thread else k.sw != (k.target,)
            if late and (m.per_thread or area_frames(m, t, 0)):
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
        from lppack.checker import semantics

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
        begun = semantics.begin(m, k, threads, target, "R6", "")
        self._store(patch, (begun.kernel, tuple(map(begun.each, threads))))

    def steps(self) -> list[tuple[LivePatch, "Step"]]:
        """Return every step that the rules allow now, of any thread, each with its patch."""
        patch = self._ruled_by()
        if patch is None:
            return []
        from lppack.checker.explorer import Population, successors

        m, state = self._project(patch)
        made = [(patch, step) for step in successors(m, state, Population.ORDERED)]
        if state[0].stopped or state[0].spin:
            return made
        for other in self.patches:
            if other is not patch:
                made += [(other, step) for step in self._settled(other)]
        return made

    def take(self, patch: LivePatch, step: "Step") -> None:
        """Take ``step``, which is one of steps()."""
        self._store(patch, step.state)
        if patch.enabled and step.state[0].target == OLD:
            patch.enabled, patch.problem = False, step.text
            self._say(f"livepatch: '{patch.module}': given up: {step.text}")
        if step.rule == "R9":
            self._complete(patch)

    def _settled(self, patch: LivePatch) -> Iterator["Step"]:
        """Yield the steps of threads in functions of a patch that is not in transition."""
        from lppack.checker.explorer import Population, successors

        for step in successors(*self._project(patch), Population.ORDERED):
            if step.place < 0 or step.rule not in _SETTLED:
                continue
            t = step.state[1][step.place] if step.rule == "R3" else step.who
            if t and self._owner(patch.names[t.stack[-1].fn]) is patch:
                yield step

    def _owner(self, function: str) -> LivePatch | None:
        """Return the patch whose rules apply to ``function``: the one in transition, or else the
        last."""
        known = sorted(reversed(self.patches), key=lambda patch: not patch.known)
        ruling = self._ruled_by()
        every = (ruling, *known) if ruling else known
        return next((patch for patch in every if function in patch.names), None)

    def _ruled_by(self) -> LivePatch | None:
        # Also an unpatched one: a thread that is still in its code has to leave.
        live_ones = [patch for patch in self.patches if patch.known] or self.patches
        last = live_ones[-1] if live_ones else self.target
        return self.patch(self.moving) if self.moving else last

    def _step(self) -> bool:
        """Take one random step; return False if no step is possible."""
        able = [(patch, step) for patch, step in self.steps() if self._happens(patch, step)]
        if not able:
            return False
        self.turns += 1
        self.take(*self._drawn(able))
        return True

    def _drawn(self, able: list[tuple[LivePatch, "Step"]]) -> tuple[LivePatch, "Step"]:
        """Choose a thread, then a rule, then a step: more possible steps do not give a thread more
        turns."""
        draw = random.Random(self.seed * 1_000_003 + self.turns)
        who = draw.choice(sorted({step.place for _, step in able}))
        rule = draw.choice(sorted({step.rule for _, step in able if step.place == who}))
        ways = [way for way in able if (way[1].place, way[1].rule) == (who, rule)]
        return draw.choice(sorted(ways, key=lambda way: way[1].text))

    def _happens(self, patch: LivePatch, step: "Step") -> bool:
        if step.rule in ("T1", "T2") and patch.refuses and patch.enabled:
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
        """Return the machine of one patch, and the state of this kernel as that machine sees it."""
        m = simulated_tasks.machine_of(patch, self.rules, self.depth)
        words = self.words if self.moving == patch.module else None
        return m, simulated_tasks.state_of(m, patch, self.tasks, words)

    def _store(self, patch: LivePatch, state: State) -> None:
        """Store the changes that a step of the machine of ``patch`` has made."""
        k, threads = state
        if self.moving == patch.module:
            self.words[: len(k.sw)] = k.sw
            for task, t in zip(self.tasks, threads, strict=True):
                task.word = t.u[0] if t.u else task.word
        simulated_tasks.keep(
            state, patch, self.tasks, {name: self._below(patch, name) for name in patch.names}
        )

    def _below(self, patch: LivePatch, function: str) -> str:
        """Return which module runs ``function`` without ``patch``; "" for the kernel's own
        function."""
        others = (p for p in reversed(self.patches) if p is not patch and p.known)
        return next((p.module for p in others if function in p.names), "")

    def _say(self, line: str) -> None:
        self.log = [*self.log[-500:], line]


def _verb(patch: LivePatch) -> str:
    return "patching" if patch.enabled else "unpatching"
