# SPDX-License-Identifier: MIT
"""Text and JSON output for live patches."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from lppack.cli.output import result
from lppack.consistency import ModeName, mode_named
from lppack.model.patch_info import IRREVERSIBLE

if TYPE_CHECKING:
    from lppack.stages.host_status import HostStatus
    from lppack.stages.status import PatchReport


def show(
    patches: "tuple[PatchReport, ...]",
    format_: str,
    *,
    empty: str,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    if format_ == "json":
        result({"ok": True, "patches": [patch.to_json() for patch in patches], **more})
        return
    if not patches:
        click.echo(empty)
    for patch in patches:
        click.echo("\n".join(patch_lines(patch)))


def _gives(name: str) -> str:
    mode = mode_named(ModeName(name))
    kthread = f"; kernel threads {mode.kthread.name}" if mode.kthread is not mode.leave else ""
    return f"{mode.leave.name} {mode.switch.name}{kthread}"


def _fixes(patch: "PatchReport") -> list[str]:
    lines = []
    for fix in patch.fixes:
        what = fix["cve"] or ", ".join(fix["functions"]) or "fix"
        waits = ": its module is not loaded; it is patched when it is loaded"
        state = "live" if fix["live"] else "live in part" if fix["in_part"] else "not live"
        lines.append(f"  {what}: {state}{waits if fix['waits'] else ''}")
    return lines


def patch_lines(patch: "PatchReport") -> list[str]:
    name = f"{patch.series} {patch.version}" if patch.series else f"{patch.module} (foreign)"
    words = [f"{name} on {patch.host}: {patch.phase}"]
    if patch.conversion != "none":
        words.append(f"conversion {patch.conversion}, {patch.converted} converted")
    lines = [", ".join(words)]
    if patch.is_absent:  # its engine's state no longer exists
        return [f"{name} on {patch.host}: {patch.phase}", *_fixes(patch)]
    if patch.longest_stop_ms is not None:
        lines.append(f"  longest stop of the kernel: {patch.longest_stop_ms:.1f} ms")
    if patch.mode is not None and patch.mode in set(ModeName):
        lines.append(f"  mode {patch.mode} of engine {patch.engine}: {_gives(patch.mode)}")
    if patch.irreversible:
        lines.append(f"  irreversible: {IRREVERSIBLE}")
    if patch.srcversion is not None:
        lines.append(f"  srcversion {patch.srcversion}")
    if patch.forced:
        lines.append("  a transition was forced: threads may run old or new code")
    if patch.forced is None:
        lines.append(
            "  the kernel's log cannot be read: whether a transition was forced is unknown"
        )
    if patch.inlining == "unchecked":
        lines.append(
            "  inlining was not checked: callers may contain inlined copies of the old code"
        )
    if patch.complete == "not checked":
        lines.append("  not proved to be complete: see lppack build --prove")
    for object_ in dict.fromkeys(object_ for object_, _ in patch.waiting):
        names = [function for home, function in patch.waiting if home == object_]
        lines.append(f"  waits for module {object_}, which is not loaded: {', '.join(names)}")
    lines += [
        f"  {function} of {object_} runs in {module}, which was loaded later"
        for object_, function, module in patch.overridden
    ]
    lines += _fixes(patch)
    took = "" if patch.seconds is None else f", for {patch.seconds:.0f} s"
    lines += [
        f"  blocked by {blocker.comm} (pid {blocker.pid}): {blocker.reason}{took}"
        for blocker in patch.blockers
    ]
    if not patch.blockers and patch.is_moving:
        lines.append("  no thread blocks the transition at this moment")
    if patch.problem:
        lines.append(f"  the engine gave up the last transition: {patch.problem}")
    if patch.left_new:
        lines.append(
            f"  {patch.left_new}: the patch stays, because old code would misread that data"
        )
    if (step := patch.next_step) is not None:
        lines.append(f"  next: {step}")
    return lines


def left_undone(found: "HostStatus") -> list[str]:
    lines = [f"at work: {found.at_work}"] if found.at_work else []
    lines += [f"unfinished: {record}" for record in found.unfinished]
    lines += [f"leftover: {line}" for line in found.leftovers]
    return [*lines, f"  next: {found.next}"] if found.next else lines
