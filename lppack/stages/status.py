# SPDX-License-Identifier: MIT
"""status: where things stand on a host, told by its kernel alone."""

from dataclasses import dataclass, replace
from typing import Any

from lppack.abi import Phase
from lppack.engines.protocol import Blocker, Engine, PatchState
from lppack.model import InliningCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchReport:
    """One live patch; ``series`` is None for a stranger's."""

    series: str | None
    version: int | None
    module: str
    engine: str
    mode: str | None
    host: str
    phase: Phase
    conversion: str  # none: there is no data to convert; off; on; done: with the flip
    converted: int
    blockers: tuple[Blocker, ...]
    fixes: tuple[dict[str, Any], ...]
    waiting: tuple[str, ...] = ()  # functions of modules that are not loaded
    inlining: str | None = None  # "checked" or "unchecked"; None: a stranger's, or not known
    forced: bool | None = False  # True: a transition was forced here; None: not known
    longest_stop_ms: float | None = None  # None: this engine does not stop the machine
    seconds: float | None = None  # how long the blockers were waited for; None: not waited


def status(engine: Engine, host: str) -> tuple[PatchReport, ...]:
    """Every live patch of the host, strangers' too."""
    states = engine.patches()
    forced = engine.forced() if states else False
    return tuple(
        replace(report(state, engine=engine.name, host=host), forced=forced) for state in states
    )


def report(
    state: PatchState, *, engine: str, host: str, seconds: float | None = None
) -> PatchReport:
    """What the kernel showed, in the words of the interface."""
    info = state.info
    conversion = "none"
    if info.get("transforms"):
        # The parameter of a module that was replaced stays as it was.
        conversion = "on" if state.convert and state.phase is not Phase.UNPATCHED else "off"
    elif info.get("world"):
        conversion = "done" if state.phase is Phase.PATCHED else "off"
    return PatchReport(
        series=info.get("series"),
        version=info.get("version"),
        module=state.module,
        engine=info.get("engine", engine),
        mode=info.get("mode"),
        host=host,
        phase=state.phase,
        conversion=conversion,
        converted=state.converted,
        blockers=state.blockers,
        fixes=tuple(_fix(fix, state, conversion) for fix in info.get("fixes", ())),
        waiting=tuple(sorted(state.waiting)),
        inlining=_inlining(info),
        longest_stop_ms=state.longest_stop_ms,
        seconds=seconds,
    )


def _inlining(info: dict[str, Any]) -> str | None:
    said = info.get("inlining")
    return said if said in list(InliningCheck) else None


def _fix(fix: dict[str, Any], state: PatchState, conversion: str) -> dict[str, Any]:
    functions = fix.get("functions", [])
    waits = state.waiting.intersection(functions) if functions else state.waiting
    effective = fix.get("effective") == "patched" or conversion in ("on", "done")
    live = state.phase is Phase.PATCHED and effective and not waits
    return {"cve": fix.get("cve"), "functions": functions, "live": live}
