# SPDX-License-Identifier: MIT
"""The result of `status` as metrics for node_exporter's textfile collector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lppack import __version__
from lppack.abi import PatchPhase
from lppack.errors import LppackError
from lppack.stages.agent import AgentReport
from lppack.stages.host_status import HostStatus
from lppack.stages.status import MOVING, PatchReport


@dataclass(slots=True)
class _Metric:
    """One gauge, with a value for each set of labels."""

    help: str
    samples: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)

    def set(self, value: float | None, **labels: object) -> None:
        """Add a sample for these labels, unless ``value`` is None (unknown)."""
        if value is not None:
            self.samples[tuple((name, str(text)) for name, text in labels.items())] = value


def _metrics() -> dict[str, _Metric]:
    return {
        f"lppack_{name}": _Metric(text)
        for name, text in {
            "info": "The lppack that wrote this, and the kernel that it saw.",
            "can_patch": "Whether the kernel was built with live patching.",
            "command_running": "Whether a command is changing the host now.",
            "unfinished_commands": "Commands that died and left something undone.",
            "leftovers": "Files and modules left by commands that died.",
            "last_command_code": "Exit code of the last command that changed the host, or tried.",
            "last_command_ended_seconds": "When that command ended, in seconds since 1970.",
            "last_command_in_this_boot": "Whether that command ran since the host booted.",
            "patch_info": "A live patch; those that lppack did not make have no series.",
            "patch_version": "The version of a live patch.",
            "patch_phase": "1 for the phase in which the patch is.",
            "patch_transition_seconds": "Seconds since the current transition began.",
            "patch_blocking_threads": "Number of threads that block the transition.",
            "patch_forced": "Whether a transition was forced on this kernel.",
            "patch_given_up": "Whether the engine gave up the last transition.",
            "patch_converting": "Whether data is converted.",
            "patch_converted_objects": "Objects that are in the new form.",
            "patch_longest_stop_seconds": "Longest stop of the kernel in seconds.",
            "patch_waiting_functions": "Functions of modules that are not loaded.",
            "patch_overridden_functions": "Functions that run in another, later live patch.",
            "fix_live": "Whether all of a fix is in effect.",
            "fix_live_in_part": "Whether a fix is in effect in only a part of its functions.",
            "fix_waits": "Whether a fix is not in effect only as its module is not loaded.",
        }.items()
    }


def prometheus(found: HostStatus) -> str:
    """Return the text format 0.0.4: one HELP and TYPE for each metric, no timestamps."""
    made = _metrics()
    made["lppack_info"].set(1, version=__version__, kernel=found.kernel)
    made["lppack_can_patch"].set(found.can_patch)
    made["lppack_command_running"].set(found.at_work is not None)
    made["lppack_unfinished_commands"].set(len(found.unfinished))
    made["lppack_leftovers"].set(len(found.leftovers))
    if found.last is not None and found.last.code is not None:
        about = {"command": found.last.command, "result": found.last.result}
        made["lppack_last_command_code"].set(found.last.code, **about)
        made["lppack_last_command_ended_seconds"].set(_seconds(found.last.ended))
        made["lppack_last_command_in_this_boot"].set(found.last.boot == found.boot)
    for patch in found.patches:
        _add_patch(made, patch)
    for patch in found.in_use:
        _add_fixes(made, patch)
    return _text(made)


def agent_prometheus(report: AgentReport | None, error: LppackError | None) -> str:
    """Return the metrics of a run of an agent. ``report``: None if the run failed before."""
    made = {
        "lppack_agent_code": _Metric("Exit code of the last run of lppack agent."),
        "lppack_agent_serial": _Metric("Serial number of the index that was read."),
        "lppack_agent_bundle": _Metric("1 for the state of each bundle of the index."),
    }
    reason = error.reason if error else ""
    made["lppack_agent_code"].set(error.exit_code if error else 0, reason=reason)
    if report is not None:
        made["lppack_agent_serial"].set(report.serial)
        for one in report.outcomes:
            about = {"series": one.series, "version": one.version}
            state = {"state": one.state.value, "reason": one.reason or ""}
            made["lppack_agent_bundle"].set(1, **about, **state)
    return _text(made)


def _text(made: Mapping[str, _Metric]) -> str:
    return "".join(line + "\n" for name, metric in made.items() for line in _lines(name, metric))


def _add_patch(made: Mapping[str, _Metric], patch: PatchReport) -> None:
    module = {"module": patch.module}
    named = {"series": patch.series or "", **module}
    about = {"version": patch.version or "", "engine": patch.engine, "mode": patch.mode or ""}
    made["lppack_patch_info"].set(1, **named, **about, srcversion=patch.srcversion or "")
    made["lppack_patch_version"].set(patch.version, **named)
    for phase in PatchPhase:
        made["lppack_patch_phase"].set(phase is patch.phase, **module, phase=phase.value)
    if patch.phase in MOVING:
        made["lppack_patch_transition_seconds"].set(patch.seconds, **module)
        made["lppack_patch_blocking_threads"].set(len(patch.blockers), **module)
    made["lppack_patch_forced"].set(patch.forced, **module)
    made["lppack_patch_given_up"].set(patch.problem is not None, **module)
    if patch.conversion != "none":
        made["lppack_patch_converting"].set(patch.conversion in ("on", "done"), **module)
        made["lppack_patch_converted_objects"].set(patch.converted, **module)
    if patch.longest_stop_ms is not None:
        made["lppack_patch_longest_stop_seconds"].set(patch.longest_stop_ms / 1000, **module)
    made["lppack_patch_waiting_functions"].set(len(patch.waiting), **module)
    made["lppack_patch_overridden_functions"].set(len(patch.overridden), **module)


def _add_fixes(made: Mapping[str, _Metric], patch: PatchReport) -> None:
    named = {"series": patch.series or "", "module": patch.module}
    for fix in patch.fixes:
        which = {"cve": fix["cve"] or "", "functions": ",".join(map(str, fix["functions"]))}
        made["lppack_fix_live"].set(bool(fix["live"]), **named, **which)
        made["lppack_fix_live_in_part"].set(bool(fix["in_part"]), **named, **which)
        made["lppack_fix_waits"].set(bool(fix["waits"]), **named, **which)


def _seconds(time: str | None) -> float | None:
    """Return the seconds since 1970; None if a host says what is no time."""
    try:
        return datetime.fromisoformat(time).timestamp() if time else None
    except (ValueError, OverflowError, OSError):
        return None


def _lines(name: str, metric: _Metric) -> Iterator[str]:
    if not metric.samples:
        return
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} gauge"
    for labels, value in sorted(metric.samples.items()):
        text = ",".join(f'{key}="{_escaped(what)}"' for key, what in labels)
        number = f"{float(value):.17g}"
        yield f"{name}{{{text}}} {number}" if text else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
