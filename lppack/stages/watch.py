# SPDX-License-Identifier: MIT
"""watch: print the progress of transitions until none is left, or the time is over."""

from dataclasses import replace

from lppack.clock import Deadline
from lppack.errors import AnswerIsNo
from lppack.stages.advice import advice
from lppack.stages.drive import Control
from lppack.stages.status import MOVING, PatchReport, status

_LOOKED_AT = 1.0  # seconds between two checks: the kernel checks as often


def watch(control: Control) -> tuple[PatchReport, ...]:
    """Print each change until no transition is left; then return all live patches.

    Raise AnswerIsNo if a transition outlasts the timeout.
    """
    deadline = Deadline(control.timeout, control.clock)
    printed: tuple[str, ...] = ()
    while True:
        patches = status(control.engine, control.host.name)
        moving = [patch for patch in patches if patch.phase in MOVING]
        if not moving:
            return patches
        seen = tuple(line for patch in moving for line in _lines(replace(patch, seconds=None)))
        if seen != printed:
            for patch in moving:
                for line in _lines(patch):
                    control.say(line)
        printed = seen
        if deadline.expired:
            blockers = [blocker for patch in moving for blocker in patch.blockers]
            names = ", ".join(f"{patch.module} is {patch.phase}" for patch in moving)
            raise AnswerIsNo(
                f"after {control.timeout:g} s on {control.host.name}: {names} still",
                hint=advice(blockers),
                reason="in-transition",
                report={"patches": [patch.to_json() for patch in patches]},
            )
        deadline.pause(_LOOKED_AT)


def _lines(patch: PatchReport) -> list[str]:
    took = "" if patch.seconds is None else f" for {patch.seconds:.0f} s"
    count = len(patch.blockers)
    held = f"{count} {'thread' if count == 1 else 'threads'} left" if count else "no thread is seen"
    lines = [f"{patch.module}: {patch.phase}{took}, {held}"]
    return lines + [
        f"  {each.comm} (pid {each.pid}, thread {each.tid}): {each.reason}"
        for each in patch.blockers
    ]
