# SPDX-License-Identifier: MIT
"""apply: phase 1 and, unless `--phase patch` was given, phase 2."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lppack.abi import PatchPhase
from lppack.engines.protocol import PatchState
from lppack.errors import (
    WARNING,
    ApplyRefused,
    ApplyReversed,
    ApplyStuck,
    HostError,
    Interrupted,
    Level,
    NotConverted,
)
from lppack.model import Bundle
from lppack.model.patch_info import IRREVERSIBLE
from lppack.rules.host import forced_transition
from lppack.rules.registry import HOST
from lppack.rules.view import View
from lppack.stages.advice import advice
from lppack.stages.drive import (
    NO_WAY_BACK,
    TIMEOUT,
    Control,
    answered,
    as_json,
    describe_blockers,
    enable_conversion,
    gave_up,
    longest_stop,
    refuse_limits,
    set_limits,
    settle,
    silent,
    standing,
    steer,
    stop_conversion,
    undo,
    unload,
    why_loaded,
)
from lppack.stages.leftovers import clear, leftovers
from lppack.stages.status import PatchReport

#: Public names, including names that other modules import from here.
__all__ = [
    "TIMEOUT",
    "Control",
    "apply",
    "describe_blockers",
    "enable_conversion",
    "gave_up",
    "longest_stop",
    "refuse_early",
    "refuse_irreversible",
    "rehearse",
    "settle",
    "silent",
    "steer",
    "stop_conversion",
    "undo",
    "unload",
]


def refuse_early(
    control: Control, bundle: Bundle, *, without: str | None = None
) -> tuple[PatchState, ...]:
    """Run every check that is possible before the bundle is loaded; print the warnings.

    ``without``: a series that will be reverted first.

    Return the live patches of the host. Raise ApplyRefused if a rule is broken, or if the host
    does not answer.
    """
    return answered(control, lambda: _check_rules(control, bundle, without))


def refuse_irreversible(bundle: Bundle, *, allowed: bool) -> None:
    """Raise ApplyRefused for an irreversible bundle, unless ``allowed``."""
    if bundle.irreversible and not allowed:
        raise ApplyRefused(
            f"{bundle.path.name} is irreversible: {IRREVERSIBLE}",
            hint="to accept this, give --irreversible; with --phase patch nothing is "
            "converted, and the patch can be reverted",
            reason=NO_WAY_BACK,
        )


def rehearse(control: Control, bundle: Bundle) -> None:
    """Run the checks of apply(), and print what would be replaced. Load nothing. Raise
    ApplyRefused."""
    states = refuse_early(control, bundle)
    for module in _to_be_replaced(states, bundle):
        control.say(
            f"would replace {module}, which is live: it is unloaded when the transition is complete"
        )


def _check_rules(control: Control, bundle: Bundle, without: str | None) -> tuple[PatchState, ...]:
    refuse_limits(control, bundle.engine)
    states = control.engine.patches()
    dead = _leftovers(states, bundle)  # apply unloads these, so they do not conflict
    others = tuple(
        state
        for state in states
        if state not in dead and (without is None or state.info.series != without)
    )
    view = View(host=control.host, engine=control.engine, states=others)
    for rule in HOST.entries():
        for fault in rule.rule(view, bundle):
            if rule.level is Level.ERROR:
                raise ApplyRefused(fault.message, hint=fault.hint, reason=fault.reason or rule.id)
            control.say(f"{WARNING}{fault.message}; {fault.hint}")
    return states


def _leftovers(states: Sequence[PatchState], bundle: Bundle) -> tuple[PatchState, ...]:
    return leftovers(states, {bundle.series, *bundle.replaces})


def _clear(control: Control, bundle: Bundle, states: Sequence[PatchState]) -> None:
    """Unload leftovers of earlier versions. Raise ApplyRefused if a module of that name stays
    loaded."""
    if bundle.module in clear(control, _leftovers(states, bundle)):
        raise ApplyRefused(
            f"{bundle.module} is loaded on {control.host.name} already: unpatched, and "
            f"{why_loaded(control, bundle.module)}",
            hint=f"see which module uses it (lsmod), then: "
            f"{control.command('revert', bundle.module)}",
        )


def applied_already(control: Control, bundle: Bundle, *, convert: bool) -> PatchReport | None:
    """Report the patch if the same build is in effect already, so that apply has nothing to do.

    Return None if it is not, or if that is not known; the rules then report the differences.
    """
    states = answered(control, control.engine.patches)
    if not any(s.module == bundle.module and s.phase is PatchPhase.PATCHED for s in states):
        return None
    found = answered(control, lambda: control.report(bundle.module))
    same = found.srcversion is not None and found.srcversion == bundle.srcversion
    complete = not (convert and bundle.converts) or found.conversion == "on"
    alone = not found.overridden and not leftovers(states, {bundle.series, *bundle.replaces})
    return replace(found, changed=False) if same and complete and alone else None


def apply(control: Control, bundle: Bundle, ko: Path, *, convert: bool = True) -> PatchReport:
    """Patch, wait for the transition, and convert; unload modules that are no longer in use.

    A patch that is in effect already stays as it is, and is reported as not changed.
    Raise ApplyRefused (nothing was loaded), ApplyReversed (timed out, and reversed),
    ApplyStuck (the reversal did not end in time), NotConverted, Interrupted.
    """
    try:
        if (found := applied_already(control, bundle, convert=convert)) is not None:
            control.say(f"{bundle.module} is applied to {control.host.name} already")
            return found
        states = refuse_early(control, bundle)
        _clear(control, bundle, states)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: nothing was loaded on {control.host.name}") from None
    replaced = _to_be_replaced(states, bundle)
    try:
        control.say(f"patch: loading {bundle.module} on {control.host.name}")
        _load(control, bundle, ko)
        set_limits(control, bundle.module)
        state, seconds = settle(control, bundle.module, PatchPhase.PATCHED, control.timeout)
        if state.phase is not PatchPhase.PATCHED:
            raise _timed_out(control, bundle, state, seconds, replaced)
        control.say(f"patched: every thread is in the new universe, after {seconds:.1f} s")
        if bundle.world:
            control.say(f"transformed: {state.converted} instances, {longest_stop(state)}")
        for module in replaced:
            gone = unload(control, module)
            control.say(
                f"replaced: {module} is "
                + ("unloaded" if gone else f"unpatched, and {why_loaded(control, module)}")
            )
        if convert and bundle.converts:
            if bundle.irreversible:
                control.say(f"irreversible: {IRREVERSIBLE}")
            _not_after_force(control, bundle)
            enable_conversion(control, bundle.module, bundle.series)
        return control.report(bundle.module)
    except KeyboardInterrupt:
        raise _interrupted(control, bundle, replaced) from None
    except HostError as error:
        raise _broken_off(control, bundle, error) from error


def _not_after_force(control: Control, bundle: Bundle) -> None:
    """Raise NotConverted if somebody forced this transition while lppack waited for it."""
    for fault in forced_transition(control.engine, control.host):
        raise NotConverted(
            f"{bundle.module} is patched, but not converted: {fault.message}",
            hint=fault.hint,
            report=as_json(control.report(bundle.module)),
        )


def _load(control: Control, bundle: Bundle, ko: Path) -> None:
    """Load the module. Raise ApplyRefused; its hint names a transition of another command, if
    any."""
    try:
        control.engine.load(bundle.module, ko)
    except ApplyRefused as error:
        moving = (PatchPhase.PATCHING, PatchPhase.UNPATCHING)
        for state in control.engine.patches():
            if state.phase in moving and state.module != bundle.module:
                error.hint = (
                    f"{state.module} is {state.phase}, and the kernel can move only one "
                    f"live patch at a time: wait for it (lppack status --on "
                    f"{control.host.name}), then apply again"
                )
                error.reason = "no-other-transition"
        raise


def _to_be_replaced(states: Sequence[PatchState], bundle: Bundle) -> tuple[str, ...]:
    """Return the live modules that the kernel unpatches when this cumulative patch is complete."""
    return tuple(
        state.module
        for state in states
        if state.info.series in bundle.replaces and state.phase is not PatchPhase.UNPATCHED
    )


def _timed_out(
    control: Control,
    bundle: Bundle,
    state: PatchState,
    seconds: float,
    replaced: tuple[str, ...],
) -> ApplyReversed | ApplyStuck:
    how = "given up" if gave_up(state) else "not patched everywhere"
    why = f"{bundle.module} was {how} after {round(seconds, 1):g} s: {describe_blockers(state)}"
    if state.phase is PatchPhase.ABSENT:
        return _unloaded_by_another(control, bundle, state, replaced)
    control.say(f"reversing: {why}")
    if undo(control, bundle.module).phase is PatchPhase.ABSENT:
        return ApplyReversed(
            f"{why}\nreversed: {control.host.name} is as it was before",
            hint=None
            if gave_up(state)
            else f"{advice(state.blockers)}; or give a longer --timeout",
            report=standing(control, state, held_up_by=state, seconds=seconds),
        )
    return ApplyStuck(
        f"{why}\nthe reversal did not end either: {bundle.module} is still loaded on "
        f"{control.host.name}",
        hint=f"go on with: {control.command('revert', bundle.series)}",
        report=standing(control, state),
    )


def _unloaded_by_another(
    control: Control, bundle: Bundle, state: PatchState, replaced: tuple[str, ...]
) -> ApplyReversed | ApplyStuck:
    """Return the error for a module that was loaded and that another command has unloaded."""
    lost = [m for m in replaced if control.engine.state(m).phase is not PatchPhase.PATCHED]
    why = f"{bundle.module} is no longer loaded: another command has reverted and unloaded it"
    if lost:
        return ApplyStuck(
            f"{why}; {', '.join(lost)}, which it had replaced, is no longer live either",
            hint=f"see what is live: lppack status --on {control.host.name}",
            report=standing(control, state),
        )
    return ApplyReversed(
        f"{why}; nothing is left of it on {control.host.name}",
        hint=f"see what is live: lppack status --on {control.host.name}",
        report=standing(control, state),
    )


def _broken_off(control: Control, bundle: Bundle, error: HostError) -> ApplyReversed | ApplyStuck:
    """Reverse an open transition after a request failed; return the error to raise."""
    go_on = control.command("revert", bundle.module)
    try:
        before = state = control.engine.state(bundle.module)
        if state.phase is not PatchPhase.PATCHED:
            control.say(f"reversing: {error.message}")
            state = undo(control, bundle.module)
    except HostError as second:
        return ApplyStuck(
            f"{error.message}\nthe reversal also failed: {second.message}",
            hint=f"see: lppack status --on {control.host.name}; go on with: {go_on}",
        )
    if state.phase is PatchPhase.ABSENT:
        return ApplyReversed(
            f"{error.message}\nreversed: {control.host.name} is as it was before",
            hint=error.hint,
            report=standing(control, before),
        )
    return ApplyStuck(
        f"{error.message}\n{bundle.module} is {state.phase} on {control.host.name}",
        hint=f"go on with: {control.command('convert', bundle.series)}, or {go_on}"
        if state.phase is PatchPhase.PATCHED
        else f"go on with: {go_on}",
        report=standing(control, state),
    )


def _interrupted(control: Control, bundle: Bundle, replaced: tuple[str, ...]) -> Interrupted:
    # A replaced version may still be loaded, so the name of the series would be ambiguous.
    go_on = control.command("revert", bundle.module if replaced else bundle.series)
    if bundle.irreversible:
        go_on += ", unless it has converted data"
    try:
        if replaced and control.engine.state(bundle.module).phase is PatchPhase.PATCHED:
            # The earlier version cannot be restored, and the original functions have fewer fixes.
            return Interrupted(
                f"interrupted: {bundle.module} is patched, and has replaced "
                f"{', '.join(replaced)}; go on with: "
                f"{control.command('convert', bundle.series)}, or {go_on}"
            )
        control.say("interrupted: reversing")
        state = undo(control, bundle.module)
    except KeyboardInterrupt:
        return Interrupted(
            f"interrupted twice: {bundle.module} may still be in transition; go on with: {go_on}"
        )
    if state.phase is PatchPhase.ABSENT:
        return Interrupted(f"interrupted: reversed, {control.host.name} is as it was before")
    return Interrupted(f"interrupted: {bundle.module} is {state.phase}; go on with: {go_on}")
