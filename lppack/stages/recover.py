# SPDX-License-Identifier: MIT
"""recover: complete or revert the work of a command that died."""

from collections.abc import Sequence

from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck, Interrupted
from lppack.stages.convert import convert
from lppack.stages.drive import (
    NO_WAY_BACK,
    Control,
    answered,
    describe_blockers,
    settle,
    standing,
    undo,
)
from lppack.stages.journal import Journal, JournalRecord
from lppack.stages.leftovers import clear
from lppack.stages.revert import find_all, revert
from lppack.stages.status import PatchReport


def recover(control: Control) -> tuple[PatchReport, ...]:
    """Complete the work of unfinished commands, the newest first, and unload leftovers.

    An apply or convert that died is completed. A revert, or an apply that was being reversed, is
    continued until the patch is unloaded. Raise the errors of apply, convert and revert.
    """
    unfinished = answered(control, Journal(control.host).unfinished)
    reports = []
    for module in dict.fromkeys(record.module for record in reversed(unfinished)):
        own = [record for record in unfinished if record.module == module]
        control.say(f"unfinished: {own[-1]}")
        if module and (report := _go_on(control, module, own)) is not None:
            reports.append(report)
    dead = [state for state in control.engine.patches() if state.phase is PatchPhase.UNPATCHED]
    clear(control, [state for state in dead if state.info])
    return tuple(reports)


def _go_on(control: Control, module: str, records: Sequence[JournalRecord]) -> PatchReport | None:
    """Complete ``records``, the unfinished commands on ``module``, the oldest first."""
    state = answered(control, lambda: control.engine.state(module))
    if state.phase is PatchPhase.ABSENT:
        control.say(f"nothing of {module} is on {control.host.name}")
        return None
    meant = [n for n, record in enumerate(records) if record.command != "recover"]
    if not meant:
        return None  # the command only had to remove leftovers
    record = records[meant[-1]]
    back = any(each.reversing for each in records[meant[-1] :])
    forward = record.command in ("apply", "convert") and not back
    if not forward or state.phase in (PatchPhase.UNPATCHING, PatchPhase.UNPATCHED):
        return _back(control, module)
    if state.phase is PatchPhase.PATCHING:
        _complete(control, module)
    found = find_all(control, module)
    clear(control, found.dead)
    if record.converts and not found.state.convert and found.state.info.transforms:
        # The command that began the conversion had --irreversible.
        return convert(control, module, irreversible=True)
    return control.report(module)


def _back(control: Control, module: str) -> PatchReport:
    try:
        return revert(control, module)
    except ApplyRefused as error:
        if error.reason != NO_WAY_BACK:
            raise
        control.say(error.message)
        return control.report(module)


def _complete(control: Control, module: str) -> None:
    """Wait until ``module`` is patched; reverse the transition at the timeout, or on an
    interrupt."""
    try:
        state, seconds = settle(control, module, PatchPhase.PATCHED, control.timeout)
        if state.phase is PatchPhase.PATCHED:
            return
        why = f"{module} was not patched everywhere after {round(seconds, 1):g} s: "
        why += describe_blockers(state)
        control.say(f"reversing: {why}")
        reached = undo(control, module).phase
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {module} is {control.engine.state(module).phase}; "
            f"go on with: {control.command('revert', module)}"
        ) from None
    if reached is PatchPhase.ABSENT:
        raise ApplyReversed(
            f"{why}\nreversed: nothing of it is left on {control.host.name}",
            hint="apply it again when those threads have moved on",
            report=standing(control, state, held_up_by=state, seconds=seconds),
        )
    raise ApplyStuck(
        f"{why}\nthe reversal did not end either: {module} is {reached}",
        hint=f"go on with: {control.command('revert', module)}",
        report=standing(control, state),
    )
