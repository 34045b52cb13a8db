# SPDX-License-Identifier: MIT
"""Predict the steps of `test`, to compare them with those of a guest."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lppack.analyse.simulate import Simulation, Verdict, patch_of, simulate
from lppack.engines.simulated import Simulated, SimulatedClock, SimulatedHost
from lppack.engines.simulated_kernel import SimulatedKernel
from lppack.errors import ApplyReversed
from lppack.model import Bundle, Manifest, TestSpec
from lppack.stages.drive import Control
from lppack.stages.test import StepResult, test

_NO_CHECKS = TestSpec(targets=(), programs=(), boot=(), checks=())


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPrediction:
    """The explorer's verdict, and the steps of `test` in the simulated kernel."""

    simulation: Simulation
    steps: tuple[StepResult, ...]  # fewer than all: the next one times out

    @property
    def verdict(self) -> Verdict:
        return self.simulation.verdict

    def differences(self, done: Sequence[StepResult], *, reversed_: bool) -> Iterator[str]:
        """Yield each difference between the simulator and the guest.

        ``reversed_``: in the guest, the step after ``done`` timed out.
        """
        said = {step.step: _standing(step) for step in self.steps}
        for step in done:
            if step.step not in said:
                yield f"step {step.step} times out in the simulator, but the guest got there"
                return
            if (here := said[step.step]) != (there := _standing(step)):
                yield f"at step {step.step}: {here} in the simulator, {there} in the guest"
        may_stall = self.verdict in (Verdict.MAY_STALL, Verdict.NEVER_FINISHES)
        if reversed_ and not may_stall:
            yield "every transition ends in the simulator, but one in the guest was reversed"


def predict_steps(manifest: Manifest, bundle: Bundle) -> StepPrediction:
    """Explore ``manifest`` in the mode of ``bundle``, and take the steps in a simulated kernel."""
    kernel = SimulatedKernel.fresh()
    with contextlib.suppress(LookupError):  # all tasks are asleep: one more makes no difference
        for function in patch_of(manifest).never_left:
            kernel.hold(function)
    control = Control(
        engine=Simulated(kernel, bundle), host=_Quiet(kernel), clock=SimulatedClock(kernel)
    )
    steps: list[StepResult] = []
    unchecked = replace(bundle, test=_NO_CHECKS)
    with contextlib.suppress(ApplyReversed):
        for step in test(control, _Quiet(kernel), unchecked, Path("/nonexistent")):
            steps.append(step)  # noqa: PERF402 (the steps before an exception count)
    return StepPrediction(simulation=simulate(manifest, bundle.mode), steps=tuple(steps))


class _Quiet(SimulatedHost):
    """A TestHost for the simulated kernel, whose console never shows a fault."""

    console = Path("/dev/null")

    def faults(self) -> tuple[str, ...]:
        return ()


def _standing(step: StepResult) -> str:
    if step.skipped:
        return "skipped"
    words = [step.phase.value]
    if step.converting:
        words.append("converting")  # how many objects are converted by then is not predicted
    elif step.converted:
        words.append("data in the new form")
    return ", ".join(words)
