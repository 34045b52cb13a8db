# SPDX-License-Identifier: MIT
"""apply: phase 1 and, unless told otherwise, phase 2. All waiting and undoing is here, once."""

import errno
from dataclasses import dataclass, field
from pathlib import Path

from lppack.abi import Phase
from lppack.clock import Clock, Deadline, SystemClock
from lppack.engines.protocol import ALREADY, Engine, PatchState
from lppack.errors import (
    ApplyRefused,
    ApplyReversed,
    ApplyStuck,
    HostError,
    Interrupted,
    NotConverted,
)
from lppack.hosts.protocol import Host
from lppack.model import Bundle
from lppack.proc import Say
from lppack.rules.host import RULES, WARNINGS, View
from lppack.stages.status import PatchReport, report

TIMEOUT = 60.0  # seconds for a transition; upstream's own fake signal comes at 15
_POLL = 0.2
_FIRST_POLL = 0.02  # a transition may take some ms only
_UNDO = 60.0  # seconds to put a target back; more where a transition may take more
_UNLOAD = 15.0  # seconds that the kernel may hold the module after its transition


def silent(_line: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """How to drive an engine: where, how long, and whom to tell."""

    engine: Engine
    host: Host
    timeout: float = TIMEOUT
    clock: Clock = field(default_factory=SystemClock)
    say: Say = silent

    def report(self, module: str) -> PatchReport:
        state = self.engine.state(module)
        return report(state, engine=self.engine.name, host=self.host.name)

    def command(self, verb: str, series: str) -> str:
        """The command line with which a person goes on."""
        return f"lppack {verb} {series} --on {self.host.name}"


def refuse_early(control: Control, bundle: Bundle) -> None:
    """Check everything that can be known before the bundle is loaded; print the warnings.

    Raise ApplyRefused if a rule is broken, or if the host cannot be asked.
    """
    try:
        _check_rules(control, bundle)
    except HostError as error:
        raise ApplyRefused(f"{error.message}; nothing was loaded", hint=error.hint) from None


def _check_rules(control: Control, bundle: Bundle) -> None:
    view = View(host=control.host, engine=control.engine, states=control.engine.patches())
    for rule in RULES:
        for fault in rule(view, bundle):
            raise ApplyRefused(fault.message, hint=fault.hint)
    for rule in WARNINGS:
        for fault in rule(view, bundle):
            control.say(f"warning: {fault.message}; {fault.hint}")


def apply(control: Control, bundle: Bundle, ko: Path, *, convert: bool = True) -> PatchReport:
    """Patches, waits for the transition, and converts.

    Raises ApplyRefused (nothing was loaded), ApplyReversed (timed out, put back as it was),
    ApplyStuck (could not be put back in time), NotConverted, Interrupted.
    """
    refuse_early(control, bundle)
    replaced = _to_be_replaced(control, bundle)
    try:
        control.say(f"patch: loading {bundle.module} on {control.host.name}")
        control.engine.load(bundle.module, ko)
        state, seconds = settle(control, bundle.module, Phase.PATCHED, control.timeout)
        if state.phase is not Phase.PATCHED:
            raise _timed_out(control, bundle, state, seconds)
        control.say(f"patched: every thread is in the new universe, after {seconds:.1f} s")
        if bundle.world:
            control.say(f"transformed: {state.converted} instances, {longest_stop(state)}")
        for module in replaced:
            gone = unload(control, module)
            control.say(
                f"replaced: {module} is {'gone' if gone else 'unpatched, and still loaded'}"
            )
        if convert and bundle.converts:
            enable_conversion(control, bundle.module, bundle.series)
        return control.report(bundle.module)
    except KeyboardInterrupt:
        raise _interrupted(control, bundle, replaced) from None


def longest_stop(state: PatchState) -> str:
    """How long the kernel stood still for this patch, at most, in words."""
    return f"the longest stop took {state.longest_stop_ms or 0:.1f} ms"


def _to_be_replaced(control: Control, bundle: Bundle) -> tuple[str, ...]:
    """Modules whose place a cumulative patch takes: unpatched by the kernel when it is complete."""
    states = control.engine.patches() if bundle.replaces else ()
    return tuple(s.module for s in states if s.info.get("series") in bundle.replaces)


def settle(control: Control, module: str, wanted: Phase, limit: float) -> tuple[PatchState, float]:
    """Waits until ``module`` is in phase ``wanted``: the last state seen, and the seconds."""
    deadline = Deadline(limit, control.clock)
    told = 5.0
    while True:
        state = control.engine.state(module)
        if state.phase in (wanted, Phase.ABSENT) or gave_up(state) or deadline.expired:
            return state, deadline.elapsed
        if deadline.elapsed >= told:
            told += 5.0
            control.say(f"{state.phase}: {describe_blockers(state)}")
        deadline.pause(min(max(_FIRST_POLL, deadline.elapsed / 4), _POLL))


def gave_up(state: PatchState) -> bool:
    """True if the engine has ended the last transition by itself, and all is as it was before."""
    return bool(state.problem) and state.phase in (Phase.PATCHED, Phase.UNPATCHED)


def describe_blockers(state: PatchState) -> str:
    """Who keeps the transition open, in one line."""
    if not state.blockers:
        return state.problem or "no thread is seen to block"
    first = "; ".join(f"{b.comm} (pid {b.pid}) {b.reason}" for b in state.blockers[:4])
    more = len(state.blockers) - 4
    return f"{first}; and {more} more" if more > 0 else first


def enable_conversion(control: Control, module: str, series: str) -> None:
    """Phase 2. Raises NotConverted."""
    try:
        control.engine.convert(module, on=True)
    except HostError as error:
        raise NotConverted(
            f"{module} is patched, and conversion could not be enabled: {error.message}",
            hint=f"try: {control.command('convert', series)}",
            report=_as_json(control.report(module)),
        ) from None
    control.say("converting: new code converts what it touches")


def stop_conversion(control: Control, module: str, limit: float) -> bool:
    """Stops converting and reverses what is tracked; False if conversions are still under way."""
    deadline = Deadline(limit, control.clock)
    while True:
        try:
            control.engine.convert(module, on=False)
            return True
        except HostError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.EBUSY):
                raise
            if control.engine.state(module).phase is not Phase.PATCHED:
                return True  # someone else unpatches: the glue has reversed, or is at it
        if deadline.expired:
            return False
        deadline.pause(_POLL)


def unload(control: Control, module: str) -> bool:
    """Unloads a module that is unpatched; False if the kernel still holds it."""
    deadline = Deadline(_UNLOAD, control.clock)
    while control.engine.state(module).phase is not Phase.ABSENT:
        try:
            control.engine.unload(module)
        except HostError:
            if deadline.expired:
                return False
            deadline.pause(_POLL)
    return True


def steer(control: Control, module: str, *, to: bool) -> None:
    """Begin to unpatch, or reverse a transition, towards patched (``to``) or unpatched.

    That another command has sent it there, or has unloaded it, is no error.
    """
    try:
        control.engine.reverse(module, to=to)
    except HostError as error:
        if error.errno not in ALREADY and not error.absent:
            raise


def undo(control: Control, module: str) -> PatchState:
    """Puts the target back: not converting, unpatched, unloaded. The state that was reached."""
    limit = max(_UNDO, control.timeout)
    state = control.engine.state(module)
    converts = state.phase is Phase.PATCHED and state.info.get("transforms")
    if converts and not stop_conversion(control, module, limit):
        return state  # to unpatch now would wait in the kernel, with klp_mutex held
    if state.phase in (Phase.PATCHING, Phase.PATCHED):
        steer(control, module, to=False)
    state, _ = settle(control, module, Phase.UNPATCHED, limit)
    if state.phase is Phase.UNPATCHED:
        unload(control, module)
    return control.engine.state(module)


def _timed_out(
    control: Control, bundle: Bundle, state: PatchState, seconds: float
) -> ApplyReversed | ApplyStuck:
    how = "given up" if gave_up(state) else "not patched everywhere"
    why = f"{bundle.module} was {how} after {round(seconds, 1):g} s: {describe_blockers(state)}"
    if state.phase is Phase.ABSENT:
        return ApplyReversed(f"{bundle.module} is gone: someone else unloaded it", hint=None)
    blocked = report(state, engine=control.engine.name, host=control.host.name, seconds=seconds)
    control.say(f"reversing: {why}")
    if undo(control, bundle.module).phase is Phase.ABSENT:
        return ApplyReversed(
            f"{why}\nreversed: {control.host.name} is as it was before",
            hint=None
            if gave_up(state)
            else "wait until those threads have moved on, or give --timeout more seconds",
            report=_as_json(blocked),
        )
    return ApplyStuck(
        f"{why}\nthe reversal did not end either: {bundle.module} is on {control.host.name}",
        hint=f"go on with: {control.command('revert', bundle.series)}",
        report=_as_json(blocked),
    )


def _as_json(blocked: PatchReport) -> dict[str, object]:
    from lppack.stages.report import patch_json

    return {"patches": [patch_json(blocked)]}


def _interrupted(control: Control, bundle: Bundle, replaced: tuple[str, ...]) -> Interrupted:
    go_on = control.command("revert", bundle.series)
    try:
        if replaced and control.engine.state(bundle.module).phase is Phase.PATCHED:
            # There is no way back to the version before, and the original kernel has fewer fixes.
            return Interrupted(
                f"interrupted: {bundle.module} is patched, and has replaced {', '.join(replaced)}; "
                f"go on with: {control.command('convert', bundle.series)}, or {go_on}"
            )
        control.say("interrupted: reversing")
        state = undo(control, bundle.module)
    except KeyboardInterrupt:
        return Interrupted(
            f"interrupted twice: {bundle.module} is somewhere between; go on with: {go_on}"
        )
    if state.phase is Phase.ABSENT:
        return Interrupted(f"interrupted: reversed, {control.host.name} is as it was before")
    return Interrupted(f"interrupted: {bundle.module} is {state.phase}; go on with: {go_on}")
