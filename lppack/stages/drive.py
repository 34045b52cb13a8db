# SPDX-License-Identifier: MIT
"""Steps that apply, convert and revert share: waiting, undoing, unloading."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lppack.abi import PatchPhase
from lppack.clock import Clock, Deadline, SystemClock
from lppack.consistency import EngineName
from lppack.engines.protocol import ALREADY, Engine, PatchState
from lppack.errors import ApplyRefused, HostError, NotConverted
from lppack.hosts.protocol import Host
from lppack.proc import Say
from lppack.stages.owners import overridden
from lppack.stages.status import PatchReport, report

TIMEOUT = 60.0  # seconds for a transition; upstream's own fake signal comes at 15
#: Reason of a refusal: the patch's author has declared that data stays converted.
NO_WAY_BACK = "irreversible"
_T = TypeVar("_T")
_POLL = 0.2
_FIRST_POLL = 0.02  # seconds; a transition may take only some ms
_UNDO = 60.0  # seconds for a reversal; more if a transition may take longer
_UNLOAD = 15.0  # seconds that the kernel may hold the module after its transition


def silent(_line: str) -> None:
    """Print nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """How to drive an engine: the host, the time limits, and the function that prints progress."""

    engine: Engine
    host: Host
    timeout: float = TIMEOUT
    undo_timeout: float | None = None  # seconds for a reversal; None: as the timeout, at least 60
    max_stop: int | None = None  # percent, see Engine.limit(); None: the engine's default
    max_hold: int | None = None
    clock: Clock = field(default_factory=SystemClock)
    say: Say = silent

    @property
    def limits(self) -> dict[str, int]:
        """The requested limits, in percent."""
        given = {"max_stop": self.max_stop, "max_hold": self.max_hold}
        return {name: percent for name, percent in given.items() if percent is not None}

    def report(self, module: str) -> PatchReport:
        """Report one patch, compared with all others of the host."""
        state = self.engine.state(module)
        taken = overridden(self.engine, self.engine.patches()).get(module, {})
        found = report(state, engine=self.engine.name, host=self.host.name, taken=taken)
        return replace(found, srcversion=self.engine.srcversion(module))

    def command(self, verb: str, series: str) -> str:
        """Return the command line for a hint."""
        return f"lppack {verb} {series} --on {self.host.name}"


def answered(control: Control, query: Callable[[], _T]) -> _T:
    """Return the result of ``query``. Raise ApplyRefused if the host does not answer."""
    try:
        return query()
    except HostError as error:
        raise ApplyRefused(
            f"{error.message}; nothing was changed on {control.host.name}",
            hint=error.hint,
            reason="unanswered",
        ) from None


def refuse_limits(control: Control, engine: object) -> None:
    """Raise ApplyRefused if ``engine``, the engine of a patch, does not support the requested
    limits."""
    if control.limits and engine != EngineName.CONSISTENCY:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in control.limits)
        raise ApplyRefused(
            f"{options}: the patch is of engine {engine}, which neither stops the machine nor "
            "holds threads",
            hint="leave it out: only lppack's own engine does",
            reason="no-limits",
        )


def set_limits(control: Control, module: str) -> None:
    for name, percent in control.limits.items():
        control.engine.limit(module, name, percent)


def longest_stop(state: PatchState) -> str:
    """Return the longest stop of the kernel for this patch, as text."""
    return f"the longest stop took {state.longest_stop_ms or 0:.1f} ms"


def settle(
    control: Control, module: str, wanted: PatchPhase, limit: float
) -> tuple[PatchState, float]:
    """Wait until ``module`` is in phase ``wanted``; return its last state, and the seconds waited.

    Print a line of progress when the state has changed, at most every 5 s.
    """
    deadline = Deadline(limit, control.clock)
    report_at = 5.0
    printed = ""
    while True:
        state = control.engine.state(module)
        if state.phase in (wanted, PatchPhase.ABSENT) or gave_up(state) or deadline.expired:
            return state, deadline.elapsed
        if deadline.elapsed >= report_at:
            report_at += 5.0
            line = f"{state.phase}: {describe_blockers(state)}"
            if line != printed:
                control.say(line)
            printed = line
        deadline.pause(min(max(_FIRST_POLL, deadline.elapsed / 4), _POLL))


def gave_up(state: PatchState) -> bool:
    """Return True if the engine has given up the last transition, and restored the earlier
    state."""
    return bool(state.problem) and state.phase in (PatchPhase.PATCHED, PatchPhase.UNPATCHED)


def describe_blockers(state: PatchState) -> str:
    """Name the threads that keep the transition open, in one line."""
    if not state.blockers:
        return state.problem or "no thread is seen to block"
    first = "; ".join(f"{b.comm} (pid {b.pid}) {b.reason}" for b in state.blockers[:4])
    more = len(state.blockers) - 4
    return f"{first}; and {more} more" if more > 0 else first


def enable_conversion(control: Control, module: str, series: str) -> None:
    """Enable conversion (phase 2). Raise NotConverted."""
    try:
        control.engine.convert(module, on=True)
    except HostError as error:
        raise NotConverted(
            f"{module} is patched, and conversion could not be enabled: {error.message}",
            hint=f"try: {control.command('convert', series)}",
            report=as_json(control.report(module)),
        ) from None
    control.say("converting: new code converts what it touches")


def stop_conversion(control: Control, module: str, limit: float) -> bool:
    """Stop conversion and reverse the tracked objects; return False if conversions are still under
    way.

    Raise ApplyRefused if the tracked objects cannot be reversed.
    """
    deadline = Deadline(limit, control.clock)
    while True:
        try:
            control.engine.convert(module, on=False)
            return True
        except HostError as error:
            if error.errno == errno.EPERM and _irreversible(control, module):
                raise _no_way_back(control, module) from None
            if error.errno not in (errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.EBUSY):
                raise
            if control.engine.state(module).phase is not PatchPhase.PATCHED:
                return True  # another command unpatches, and so reverses the data
        if deadline.expired:
            return False
        deadline.pause(_POLL)


def _irreversible(control: Control, module: str) -> bool:
    return control.engine.state(module).info.irreversible


def _no_way_back(control: Control, module: str) -> ApplyRefused:
    state = control.engine.state(module)
    return ApplyRefused(
        f"{module} cannot be reverted: it is irreversible, and {state.converted} objects that it "
        "has converted stay in the new form, which the original code would misread",
        hint="leave it as it is; a next version that replaces it (`replaces`) and keeps the new "
        "form can take its place, or one with a `reverse`; a restart of the host ends both",
        reason=NO_WAY_BACK,
        report=as_json(control.report(module)),
    )


def unload(control: Control, module: str) -> bool:
    """Unload an unpatched module; False if that failed: see why_loaded().

    Each try may stop the machine to check all threads, so the delay grows while a thread is inside.
    """
    deadline = Deadline(_UNLOAD, control.clock)
    pause = _POLL
    while (phase := control.engine.state(module).phase) is PatchPhase.UNPATCHED:
        try:
            control.engine.unload(module)
        except HostError:
            if deadline.expired:
                return False
            deadline.pause(pause)
            # A stack that cannot be read changes soon; a thread inside may stay for long.
            if any(blocker.function for blocker in control.engine.state(module).blockers):
                pause *= 2
    return phase is PatchPhase.ABSENT


def why_loaded(control: Control, module: str) -> str:
    """Return the reason why unload() could not unload a module."""
    state = control.engine.state(module)
    if state.blockers:
        return f"it stays loaded while threads are in it: {describe_blockers(state)}"
    return "the kernel does not let the module go; its log may say why: dmesg"


def steer(control: Control, module: str, *, to: bool) -> None:
    """Begin to unpatch, or reverse a transition; ``to``: towards patched, else towards unpatched.

    It is no error if another command has done so already, or has unloaded the module.
    """
    try:
        control.engine.reverse(module, to=to)
    except HostError as error:
        if error.errno not in ALREADY and not error.absent:
            raise


def undo(control: Control, module: str) -> PatchState:
    """Stop conversion, unpatch and unload the module; return the state that was reached."""
    limit = control.undo_timeout or max(_UNDO, control.timeout)
    state = control.engine.state(module)
    converts = state.phase is PatchPhase.PATCHED and state.info.transforms
    try:
        if converts and not stop_conversion(control, module, limit):
            return state  # unpatching now would wait in the kernel, with klp_mutex held
    except ApplyRefused:
        return state  # converted data cannot be reversed
    if converts and control.engine.state(module).left_new:
        return state  # old code would read converted data as the old form
    if state.phase in (PatchPhase.PATCHING, PatchPhase.PATCHED):
        steer(control, module, to=False)
    state, _ = settle(control, module, PatchPhase.UNPATCHED, limit)
    if state.phase is PatchPhase.UNPATCHED:
        unload(control, module)
    return control.engine.state(module)


def as_json(blocked: PatchReport) -> dict[str, object]:
    return {"patches": [blocked.to_json()]}


def standing(
    control: Control,
    state: PatchState,
    *,
    held_up_by: PatchState | None = None,
    seconds: float | None = None,
) -> dict[str, object] | None:
    """Return the current state of the patch of ``state``, for the report of an error.

    Its blockers are the current ones, or those of ``held_up_by``, for which lppack has waited
    ``seconds``. Return None if the host no longer answers.
    """
    try:
        if control.engine.state(state.module).phase is PatchPhase.ABSENT:
            gone = replace(state, phase=PatchPhase.ABSENT, convert=False, converted=0, blockers=())
            found = report(gone, engine=control.engine.name, host=control.host.name)
        else:
            found = control.report(state.module)
    except HostError:
        return None
    if held_up_by is not None:
        found = replace(found, blockers=held_up_by.blockers, seconds=seconds)
    return as_json(found)
