# SPDX-License-Identifier: MIT
"""The module gates and its patch in a kernel in memory."""

from collections.abc import Iterator
from pathlib import Path

from lppack.checker.explorer import Step as Turn
from lppack.checker.machine import Place
from lppack.checker.semantics import Rules
from lppack.consistency import ModeName
from lppack.engines.simulated import Simulated, SimulatedClock, SimulatedHost
from lppack.engines.simulated_kernel import SimulatedKernel
from lppack.engines.simulated_tasks import LivePatch, Task
from lppack.stages.apply import Control
from tests.conformance.story import CELLS, FUNCTIONS, THREADS, Standing, Step
from tests.kit.samples import bundle

_PAIRS = tuple(("gates", f"gates_{name}") for name in FUNCTIONS)
_DEPTH = 2
_VERBS = {"R1": "enter", "R2": "exit", "R3": "call", "R4": "return", "T3": "use"}


class InMemory:
    """Implements World: nothing moves but what is led, and the engine."""

    ko = Path("/nonexistent.ko")

    def __init__(self, mode: ModeName, rules: Rules | None = None) -> None:
        self.bundle = bundle(
            series="gates",
            version=1,
            module="lppack_gates_1",
            mode=mode,
            converts=True,
            functions=_PAIRS,
        )
        pairs = [list(pair) for pair in _PAIRS]
        self.kernel = SimulatedKernel(
            depth=_DEPTH,
            rules=rules or Rules(),
            target=LivePatch(
                module="gates",
                info={"transforms": ["cell"]},
                functions=pairs,
                mode=mode.value,
                enabled=False,
            ),
            tasks=[Task(pid=number, comm=name, held=True) for number, name in enumerate(THREADS)],
        )
        last = self.kernel.tasks[-1]
        last.kthread, last.place = True, Place.KERNEL
        self.control = Control(
            engine=Simulated(self.kernel, self.bundle),
            host=SimulatedHost(self.kernel),
            clock=SimulatedClock(self.kernel),
        )
        self.used = [0] * CELLS

    def ways(self) -> Iterator[tuple[Step, LivePatch, Turn]]:
        """What each thread can be told now, and what comes of it by the rules."""
        cells = [0] * len(THREADS)
        for patch, turn in self.kernel.steps():
            verb = _VERBS.get(turn.rule.split()[0])
            if turn.place < 0 or verb is None:
                continue
            who, what = THREADS[turn.place], ""
            if verb == "call":
                what = FUNCTIONS[turn.state[1][turn.place].stack[-1].fn]
            elif verb == "use":
                what = str(cells[turn.place])
                cells[turn.place] += 1
            yield Step(who, verb, what), patch, turn

    def lead(self, step: Step) -> str:
        able = next(((patch, turn) for way, patch, turn in self.ways() if way == step), None)
        if able is None:
            return "cannot"
        patch, turn = able
        task = self.kernel.tasks[turn.place]
        before = [self._named(*call) for call in task.stack]
        self.kernel.take(patch, turn)
        match step.verb:
            case "call":
                return f"calls {self._named(*task.stack[-1])}"
            case "return":
                return f"returns from {before[-1]}"
            case "use":
                number = int(step.what)
                self.used[number] += 1
                return f"uses cell {number}, {self._forms()[number]}"
        return f"{step.verb}s"

    def _named(self, function: str, module: str) -> str:
        return f"{'new' if module == self.bundle.module else 'old'} {function[-1]}"

    def standing(self, expected: Standing | None) -> Standing:
        self.kernel.pass_time(60.0)  # or until nothing happens by itself any more
        state = self.control.engine.state(self.bundle.module)
        late = sorted(blocker.comm for blocker in state.blockers)
        return Standing(state.phase, tuple(late))

    def _forms(self) -> list[str]:
        patch = self.kernel.patch(self.bundle.module) or self.kernel.target
        assert patch
        return ["new" if form else "old" for form in patch.new]

    def cells(self) -> tuple[str, ...]:
        rows = enumerate(zip(self._forms(), self.used, strict=True))
        return tuple(f"cell {number} {form}, used {used}" for number, (form, used) in rows)
