# SPDX-License-Identifier: MIT
"""revert: stop conversion, reverse converted data, unpatch, unload."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass, replace

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines.protocol import PatchState
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck, HostError, Interrupted, StillNew
from lppack.stages.adopt import is_adopted
from lppack.stages.advice import advice
from lppack.stages.drive import (
    Control,
    answered,
    describe_blockers,
    gave_up,
    longest_stop,
    refuse_limits,
    set_limits,
    settle,
    standing,
    steer,
    stop_conversion,
    unload,
    why_loaded,
)
from lppack.stages.leftovers import clear, family, leftovers
from lppack.stages.owners import Function, overridden, sharing
from lppack.stages.status import PatchReport, report

#: Reason of a refusal: no live patch has that name.
NOT_THERE = "no-such-series"
_MOST = 8  # number of functions that a line names


def find(control: Control, series: str) -> PatchState:
    """Return the patch of ``series``, or the module of that name. Raise ApplyRefused."""
    return find_all(control, series).state


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertTarget:
    """The patch that a series or a module's name refers to, and all live patches of the host."""

    state: PatchState
    dead: tuple[PatchState, ...]  # leftovers: unpatched modules of the series, or of a replaced one
    states: tuple[PatchState, ...]


def find_all(control: Control, series: str) -> RevertTarget:
    """Find the newest live patch of ``series``, or the module of that name, and its leftovers.

    If all modules of the series are unpatched, use the newest one. Raise ApplyRefused if there is
    no such patch, or if it is foreign.
    """
    states = control.engine.patches()
    found = [s for s in states if series in (s.info.series, s.module)]
    if not found:
        names = sorted({str(s.info.series or s.module) for s in states})
        close = difflib.get_close_matches(series, names, n=1)
        what = f'no live patch "{series}" is on {control.host.name}'
        if close:
            hint = f'did you mean "{close[0]}"?'
            raise ApplyRefused(what, hint=hint, reason="misspelt")
        hint = f"there is: {', '.join(names) or 'none at all'}"
        raise ApplyRefused(what, hint=hint, reason=NOT_THERE)
    newest = max(found, key=_live_and_new)
    if not newest.info:
        if is_adopted(control, newest.module):
            return RevertTarget(state=newest, dead=(), states=states)
        raise ApplyRefused(
            f"{newest.module} was not made by lppack",
            hint="take it back with the tool that loaded it; or let lppack do it from now on: "
            f"lppack adopt FILE.ko --on {control.host.name}",
            reason="not-lppacks",
        )
    dead = leftovers(states, family(newest))
    others = tuple(state for state in dead if state.module != newest.module)
    return RevertTarget(state=newest, dead=others, states=states)


def _live_and_new(state: PatchState) -> tuple[bool, int]:
    return state.phase is not PatchPhase.UNPATCHED, state.info.version or 0


def _to_revert(control: Control, series: str) -> RevertTarget:
    """Like find_all(), but refuse a series with a live version and a leftover version.

    The name is ambiguous then: the user may want to unload the leftover, or to revert the fix.
    """
    found = find_all(control, series)
    state = found.state
    own = [other for other in found.dead if other.info.series == series]
    if own and series != state.module and state.phase is not PatchPhase.UNPATCHED:
        all_of_it = ", ".join(f"{each.module} is {each.phase}" for each in (*own, state))
        raise ApplyRefused(
            f"{series} is on {control.host.name} more than once: {all_of_it}",
            hint=f"unload what is not in use: {control.command('revert', own[0].module)}; "
            f"take the live patch back: {control.command('revert', state.module)}",
            reason="more-than-once",
        )
    return found


def revert(control: Control, series: str) -> PatchReport:
    """Revert the newest version of ``series``, or the module of that name.

    Raise ApplyRefused (no such patch, the name is ambiguous, or the patch is irreversible),
    ApplyReversed (given up, patched as before), ApplyStuck.
    """
    found = answered(control, lambda: _to_revert(control, series))
    state, states = found.state, found.states
    refuse_limits(control, state.info.engine)
    was_live = state.phase is not PatchPhase.UNPATCHED
    live = answered(control, lambda: _live_fixes(control, state, states)) if was_live else []
    shared = answered(control, lambda: sharing(control.engine, states, state)) if was_live else {}
    again = _replaced(control, state) - shared.keys() if was_live else frozenset()
    try:
        unpatch(control, state)
        if not unload(control, state.module):
            raise ApplyStuck(
                f"{state.module} is unpatched, and {why_loaded(control, state.module)}",
                hint=f"try again: {control.command('revert', series)}",
            )
    except (ApplyReversed, ApplyStuck) as error:
        error.report = error.report or standing(control, state)
        raise
    except HostError as error:
        raise ApplyStuck(
            f"{error.message}\n{state.module} was {state.phase} before this command",
            hint=f"go on with: {control.command('revert', series)}",
            report=standing(control, state),
        ) from error
    except KeyboardInterrupt:
        now = control.engine.state(state.module).phase
        raise Interrupted(
            f"interrupted: {state.module} is {now}; go on with: {control.command('revert', series)}"
        ) from None
    control.say(f"unloaded: {state.module} is gone{_listed(again)}")
    if was_live or series != state.module:
        clear(control, found.dead)
    for (object_, function), module in shared.items():
        control.say(f"not the original: {function} of {object_} still runs in {module}")
    if was_live and state.info.replaces:
        control.say(
            "the original kernel runs, also without what this patch had replaced; no longer live: "
            + (", ".join(live) or "no fix, none was")
        )
    gone = replace(state, phase=PatchPhase.ABSENT, convert=False, converted=0, blockers=())
    return report(gone, engine=control.engine.name, host=control.host.name)


def _replaced(control: Control, state: PatchState) -> frozenset[Function]:
    """Return the functions that the patch replaces, for a message; empty if the host does not
    answer."""
    try:
        return control.engine.replaced(state.module)
    except HostError:
        return frozenset()


def _listed(functions: Collection[Function]) -> str:
    homes: dict[str, list[str]] = {}
    for object_, function in sorted(functions)[:_MOST]:
        homes.setdefault(object_, []).append(function)
    shown = "; ".join(f"{', '.join(names)} of {object_}" for object_, names in homes.items())
    more = f" and {len(functions) - _MOST} more" if len(functions) > _MOST else ""
    return f"; the original again: {shown}{more}" if shown else ""


def _live_fixes(control: Control, state: PatchState, states: tuple[PatchState, ...]) -> list[str]:
    """Return the names of the fixes that are live now."""
    taken = overridden(control.engine, states).get(state.module, {})
    shown = report(state, engine=control.engine.name, host=control.host.name, taken=taken).fixes
    fixes = state.info.fixes
    return [fix.name for fix, as_shown in zip(fixes, shown, strict=False) if as_shown["live"]]


def unpatch(control: Control, state: PatchState) -> None:
    """Wait until every thread runs the old code again; the module stays loaded.

    ``state`` is the state in which this command found the patch. If its phase was `patched`, a
    transition that does not end is reversed, and conversion is enabled again. An unpatch transition
    that had begun before is continued. Raise ApplyRefused (no revert path), ApplyReversed (patched
    as before), ApplyStuck.
    """
    module, found = state.module, state.phase
    go_on = control.command("revert", str(state.info.series or module))
    if found is PatchPhase.PATCHED and state.info.transforms:
        if not _stopped(control, state):
            raise ApplyStuck(
                f"{module}: conversions that were under way have not ended in "
                f"{control.timeout:g} s; conversion is off, the patch is still in place",
                hint=f"go on with: {go_on}",
            )
        control.say(f"reversed: {_reversed(control, module)}")
    if found in (PatchPhase.PATCHING, PatchPhase.PATCHED):
        set_limits(control, module)
        steer(control, module, to=False)
    reached, seconds = settle(control, module, PatchPhase.UNPATCHED, control.timeout)
    if reached.phase in (PatchPhase.UNPATCHED, PatchPhase.ABSENT):
        if found is not PatchPhase.UNPATCHED:
            control.say(f"reverted: every thread is in the old universe, after {seconds:.1f} s")
        if state.info.world and found is PatchPhase.PATCHED:
            if reached.problem:
                raise ApplyStuck(
                    f"{module} is unpatched, and data is left in the new form: {reached.problem}",
                    hint="restart the host: old code does not understand that data",
                )
            control.say(f"transformed back: {longest_stop(reached)}")
        return
    took = f"{round(seconds, 1):g} s"
    why = f"{module} was not unpatched everywhere after {took}: {describe_blockers(reached)}"
    if gave_up(reached):
        why = f"{module} was not unpatched: {reached.problem}"
    if found is not PatchPhase.PATCHED:
        raise ApplyStuck(
            f"{why}\nit was {found} before this command and is {reached.phase} now; it is not sent "
            "back to patched",
            hint=f"see what blocks it, and go on with: {go_on}",
        )
    if not gave_up(reached) and not _patch_again(control, module, why, go_on):
        return
    if state.convert:
        control.engine.convert(module, on=True)
    raise ApplyReversed(
        f"{why}\ngiven up: {module} is patched as before",
        hint=f"{_way_out(reached)}; then try again: {go_on}",
        report=standing(control, state, held_up_by=reached, seconds=seconds),
    )


def _way_out(reached: PatchState) -> str:
    if abi.MAX_STOP_MS in (reached.problem or ""):
        limit = abi.engine_attribute(reached.module, abi.MAX_STOP_MS)
        return (
            "there may be more data than there was: let the machine stand still for longer, as "
            f"root on the host: cat {limit}, then echo MILLISECONDS > {limit}"
        )
    return advice(reached.blockers)


def _stopped(control: Control, state: PatchState) -> bool:
    """Call stop_conversion(); if it refuses, enable conversion again."""
    try:
        return stop_conversion(control, state.module, control.timeout)
    except ApplyRefused:
        if state.convert and not control.engine.state(state.module).convert:
            control.engine.convert(state.module, on=True)
        raise


def _reversed(control: Control, module: str) -> str:
    """Return what is known about the data. Raise StillNew if data is still in the new form.

    At this time new code, which reads both forms, still runs, and the module is still loaded.
    """
    state = control.engine.state(module)
    if left := state.left_new:
        enabled = abi.patch_attribute(module, "enabled")
        raise StillNew(
            f"{left}\n{module} converts nothing any more, and stays patched: old code would read "
            "that data as the old form",
            hint="correct the function, and restart the host to be rid of that data; to unpatch "
            f"all the same: echo 0 > {enabled}",
            report=standing(control, state),
        )
    if state.still_new is None:
        return "each converted object; whether none is in the new form is not known"
    return "no data is in the new form"


def _patch_again(control: Control, module: str, why: str, go_on: str) -> bool:
    """Reverse an unpatch transition; return False if it has just completed. Raise ApplyStuck."""
    control.say(f"turning back: {why}")
    gone = (PatchPhase.UNPATCHED, PatchPhase.ABSENT)
    try:
        steer(control, module, to=True)
    except HostError:
        if control.engine.state(module).phase not in gone:
            raise
    reached = control.engine.state(module)
    if reached.phase not in gone:
        reached, _ = settle(control, module, PatchPhase.PATCHED, control.timeout)
    if reached.phase in gone:
        control.say("reverted: the last thread left at that moment")
        return False
    if reached.phase is not PatchPhase.PATCHED:
        raise ApplyStuck(f"{why}\nit is {reached.phase}", hint=f"go on with: {go_on}")
    return True
