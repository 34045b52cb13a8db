# SPDX-License-Identifier: MIT
"""Stories that are drawn: each step is one that the simulator allows at that point."""

import random
from collections.abc import Collection
from enum import StrEnum

from lppack.abi import PatchPhase
from lppack.consistency import ModeName
from tests.conformance.memory import InMemory
from tests.conformance.story import ENGINE, MOVING, THREADS, Record, Step, Story, act

_LONGEST = 60  # steps: more than any needs


class Plot(StrEnum):
    """How a story ends."""

    WHOLE = "there and back"
    TURNED = "turned round in the middle"
    APPLY_TIMES_OUT = "apply times out"
    REVERT_TIMES_OUT = "revert times out"
    REFUSED = "refused"


_WEIGHTS = {
    Plot.WHOLE: 8,
    Plot.TURNED: 3,
    Plot.APPLY_TIMES_OUT: 2,
    Plot.REVERT_TIMES_OUT: 2,
    Plot.REFUSED: 3,
}


def story(seed: int, mode: ModeName) -> Story:
    """The story of ``seed``: always the same one."""
    return _Drawn(seed, mode).story


def inside_at_apply(told: Story) -> bool:
    """A thread is in a patched function when the patch is loaded."""
    depth = 0
    for step in told.steps:
        if step.verb in ("load", "apply"):
            return depth > 0
        depth += {"call": 1, "return": -1}.get(step.verb, 0)
    return False


def ends_badly(record: Record) -> bool:
    """With a time-out or a refusal as the engine's last word."""
    return any(word in record.verdicts[-1] for word in ("timed out", "refused"))


class _Drawn:
    def __init__(self, seed: int, mode: ModeName) -> None:
        self.dice = random.Random(f"{mode} {seed}")
        self.world = InMemory(mode)
        self.record = Record()
        self.steps: list[Step] = []
        plots = list(_WEIGHTS)
        self._tell(self.dice.choices(plots, [_WEIGHTS[plot] for plot in plots])[0])
        self.story = Story(seed=seed, mode=mode, steps=tuple(self.steps))

    @property
    def phase(self) -> PatchPhase:
        return self.record.standings[-1].phase

    def _tell(self, plot: Plot) -> None:
        self._wander(2, 7)
        if plot is Plot.APPLY_TIMES_OUT or self.dice.random() < 0.75:
            self._until_inside()
        if plot is Plot.APPLY_TIMES_OUT:
            self._ask("apply")
            return
        self._ask("load")
        if plot is Plot.REFUSED and self.dice.random() < 0.5:
            words = ("apply", "rmmod", "convert") if self.phase in MOVING else ("apply", "rmmod")
            self._wander(0, 3)
            self._ask(self.dice.choice(words if self.phase in MOVING else words[:2]))
            return
        self._wander(0, 5)
        if plot is Plot.TURNED and self.phase is PatchPhase.PATCHING:
            self._ask("reverse")
            self._wander(0, 3)
            self._settle(PatchPhase.UNPATCHED)
            self._ask("unload")
            return
        self._settle(PatchPhase.PATCHED)
        if self.dice.random() < 0.8:
            self._ask("convert")
        self._wander(2, 8)
        if plot is Plot.REVERT_TIMES_OUT:
            self._until_inside()
            self._ask("revert")
        elif plot is Plot.REFUSED:
            self._ask(self.dice.choice(("apply", "rmmod")))
        else:
            self._back()

    def _back(self) -> None:
        if self.dice.random() < 0.4:
            self._ask("stop")
            self._wander(1, 3)
        self._ask("reverse")
        self._wander(0, 4)
        self._settle(PatchPhase.UNPATCHED)
        self._ask("unload")
        self._wander(0, 2)

    def _do(self, step: Step) -> None:
        assert len(self.steps) < _LONGEST
        self.steps.append(step)
        act(step, self.world, self.record)

    def _ask(self, verb: str) -> None:
        self._do(Step(ENGINE, verb))

    def _one(self, *verbs: str, who: Collection[str] = THREADS) -> bool:
        """One step of some thread; False if there is none that is wanted."""
        all_ways = [way for way, _, _ in self.world.ways()]
        ways = [way for way in all_ways if way.who in who and (not verbs or way.verb in verbs)]
        if not ways:
            return False
        chosen = self.dice.choice(sorted({way.who for way in ways}))
        verb = self.dice.choice(sorted({way.verb for way in ways if way.who == chosen}))
        self._do(self.dice.choice([way for way in ways if (way.who, way.verb) == (chosen, verb)]))
        return True

    def _wander(self, least: int, most: int) -> None:
        for _ in range(self.dice.randint(least, most)):
            self._one()

    def _until_inside(self) -> None:
        while not any(task.stack for task in self.world.kernel.tasks):
            assert self._one("call") or self._one("enter")

    def _settle(self, wanted: PatchPhase) -> None:
        """Those that keep the transition open go where they must."""
        while self.phase is not wanted:
            assert self._one("return", "exit", who=self.record.standings[-1].late)
