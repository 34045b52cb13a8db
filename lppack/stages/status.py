# SPDX-License-Identifier: MIT
"""status: the state of the live patches on a host, read only from its kernel."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines.protocol import Blocker, Engine, PatchState
from lppack.model import Completeness, Effective, Fix, InliningCheck
from lppack.model.patch_info import PatchInfo
from lppack.stages.owners import Overridden, overridden

MOVING = (PatchPhase.PATCHING, PatchPhase.UNPATCHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchReport:
    """One live patch; ``series`` is None for a foreign one."""

    series: str | None
    version: int | None
    module: str
    engine: str
    mode: str | None
    host: str
    phase: PatchPhase
    conversion: str  # "none": no data to convert; "off"; "on"; "done": in the stop
    converted: int
    blockers: tuple[Blocker, ...]
    fixes: tuple[dict[str, Any], ...]
    waiting: tuple[tuple[str, str], ...] = ()  # (object, function) of modules that are not loaded
    inlining: str | None = None  # "checked" or "unchecked"; None: a foreign patch, or not known
    complete: str | None = None  # whether the patch carries all of its fixes; None: not known
    forced: bool | None = False  # True: a transition was forced here; None: not known
    longest_stop_ms: float | None = None  # None: this engine does not stop the machine
    problem: str | None = None  # why lppack's engine gave up the last transition
    left_new: str | None = None  # text: objects that `reverse` has left in the new form
    irreversible: bool = False  # data stays converted
    srcversion: str | None = None  # hash of the sources; None: not known
    seconds: float | None = None  # duration of the transition so far; None: not known
    overridden: tuple[tuple[str, str, str], ...] = ()  # (object, function, module in which it runs)
    at_work: str | None = None  # the command that is changing the host
    changed: bool = True  # False: a command had nothing to do
    recover: str | None = None  # the command that goes on with what another one has left undone

    @property
    def is_moving(self) -> bool:
        """A transition goes on."""
        return self.phase in MOVING

    @property
    def is_absent(self) -> bool:
        """It was reverted."""
        return self.phase is PatchPhase.ABSENT

    @property
    def next_step(self) -> str | None:
        """Return what to do next; None: nothing, or lppack did not make the patch.

        The host's lock knows whether a command is at work on it, and its journal whether one died.
        """
        if self.series is None:
            return None
        if self.at_work or self.recover:
            return self.at_work or self.recover
        on = f"--on {self.host}"
        revert = f"lppack revert {self.series} {on}"
        if self.irreversible and self.converted and self.phase is PatchPhase.UNPATCHED:
            return "restart the host: the original code misreads what was converted"
        match self.phase:
            case PatchPhase.UNPATCHING if self.irreversible and self.converted:
                back = f"echo 1 > {abi.patch_attribute(self.module, 'enabled')}"
                return f"the original code misreads what was converted; turn back: {back}"
            case PatchPhase.PATCHING:
                return f"wait, or take it back: {revert}"
            case PatchPhase.UNPATCHING:
                return f"wait, or complete it: {revert}"
            case PatchPhase.UNPATCHED:
                return f"unload it: lppack revert {self.module} {on}"
            case PatchPhase.PATCHED if self.forced and self.conversion != "none":
                return f"plan a reboot; until then take it back: {revert}"
            case PatchPhase.PATCHED if self.left_new:
                return "leave it as it is, and plan a reboot: `reverse` of this patch is wrong"
            case PatchPhase.PATCHED if self.conversion == "off" and self.irreversible:
                convert = f"lppack convert {self.series} --irreversible {on}"
                return f"phase 2 is still to do, and cannot be undone: {convert}, or: {revert}"
            case PatchPhase.PATCHED if self.conversion == "off":
                return f"phase 2 is still to do: lppack convert {self.series} {on}, or: {revert}"
        return None

    def to_json(self) -> dict[str, Any]:
        """One entry of ``patches`` of apply, convert, revert and status."""
        return {
            "series": self.series,
            "version": self.version,
            "module": self.module,
            "srcversion": self.srcversion,
            "engine": self.engine,
            "mode": self.mode,
            "host": self.host,
            "phase": self.phase.value,
            "conversion": self.conversion,
            "converted": self.converted,
            "longest_stop_ms": self.longest_stop_ms,
            "blockers": [
                {
                    "pid": blocker.pid,
                    "tid": blocker.tid,
                    "comm": blocker.comm,
                    "function": blocker.function,
                    "reason": blocker.reason,
                    "seconds": None if self.seconds is None else round(self.seconds, 1),
                }
                for blocker in self.blockers
            ],
            "forced": self.forced,
            "inlining": self.inlining,
            "complete": self.complete,
            "fixes": list(self.fixes),
            "waiting": [
                {"object": object_, "function": function} for object_, function in self.waiting
            ],
            "problem": self.problem,
            "still_new": self.left_new,
            "irreversible": self.irreversible,
            "next": self.next_step,
            "overridden": [
                {"object": object_, "function": function, "by": module}
                for object_, function, module in self.overridden
            ],
        }


def status(engine: Engine, host: str) -> tuple[PatchReport, ...]:
    """Return every live patch of the host, foreign ones too."""
    states = engine.patches()
    forced = engine.forced() if states else False
    taken = overridden(engine, states)
    return tuple(
        replace(
            report(state, engine=engine.name, host=host, taken=taken.get(state.module, {})),
            seconds=engine.moving_for(state.module) if state.phase in MOVING else None,
            forced=forced,
            srcversion=engine.srcversion(state.module),
        )
        for state in states
    )


def report(
    state: PatchState,
    *,
    engine: str,
    host: str,
    seconds: float | None = None,
    taken: Overridden = MappingProxyType({}),
) -> PatchReport:
    """Return what the kernel shows, in the terms of the interface.

    ``taken``: functions of this patch that threads run in another patch.
    """
    info = state.info
    conversion = "none"
    if info.transforms:
        # The parameter of a module that was replaced stays as it was.
        conversion = "on" if state.convert and state.phase is not PatchPhase.UNPATCHED else "off"
    elif info.world:
        conversion = "done" if state.phase is PatchPhase.PATCHED else "off"
    return PatchReport(
        series=info.series,
        version=info.version,
        module=state.module,
        engine=info.engine or engine,
        mode=info.mode,
        host=host,
        phase=state.phase,
        conversion=conversion,
        converted=state.converted,
        blockers=state.blockers,
        fixes=tuple(_fix(fix, state, conversion, taken) for fix in info.fixes),
        waiting=tuple(sorted(state.waiting)),
        inlining=_inlining(info),
        complete=_complete(info),
        longest_stop_ms=state.longest_stop_ms,
        problem=state.problem,
        left_new=state.left_new,
        irreversible=info.irreversible,
        seconds=seconds,
        overridden=tuple(sorted((*function, above.module) for function, above in taken.items())),
    )


def _inlining(info: PatchInfo) -> str | None:
    said = info.inlining
    return said if said in list(InliningCheck) else None


def _complete(info: PatchInfo) -> str | None:
    said = info.complete
    return said if said in list(Completeness) else None


def _fix(fix: Fix, state: PatchState, conversion: str, taken: Overridden) -> dict[str, Any]:
    functions = fix.functions
    waits = [name for _, name in state.waiting if name in functions or not functions]
    effective = fix.effective is Effective.PATCHED or conversion in ("on", "done")
    lost = any(
        not _has(above, fix)
        for (_, name), above in taken.items()
        if name in functions or not functions
    )
    here = state.phase is PatchPhase.PATCHED and effective and not lost
    live = here and not waits
    whole = state.info.complete != Completeness.INCOMPLETE
    return {
        "cve": fix.cve,
        "functions": list(functions),
        "live": live and whole,
        "in_part": live and not whole,
        # Its module is not loaded: it is patched when it is, and until then no thread runs it.
        "waits": here and whole and bool(waits),
    }


def _has(above: PatchState, fix: Fix) -> bool:
    """Return True if a version that takes over holds the same fix, in whichever of both a thread
    runs."""
    return fix.effective is Effective.PATCHED and any(
        one is not None and one == its
        for other in above.info.fixes
        for one, its in ((fix.cve, other.cve), (fix.commit, other.commit))
    )
