# SPDX-License-Identifier: MIT
"""Verbs of those who run kernels: apply, convert, revert, status."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from lppack import pipeline
from lppack.abi import Phase
from lppack.cli.options import (
    IRREVERSIBLE,
    MAX_HOLD,
    MAX_STOP,
    ON,
    SIGNERS,
    SIMULATED,
    TIMEOUT,
    UNDO_TIMEOUT,
    WAIT,
)
from lppack.cli.output import FORMAT, outlive_the_terminal, progress, result
from lppack.consistency import ModeName, mode_named
from lppack.errors import Interrupted, LppackError
from lppack.proc import WARNING
from lppack.stages.health import require_live
from lppack.stages.host_status import HostStatus, host_json
from lppack.stages.info import IRREVERSIBLE as IRREVERSIBLE_IS
from lppack.stages.next_step import next_step
from lppack.stages.report import patch_json
from lppack.stages.status import PatchReport


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@ON
@SIMULATED
@click.option(
    "--phase",
    type=click.Choice(["patch", "all"]),
    default="all",
    show_default=True,
    help="patch: leave conversion for later.",
)
@TIMEOUT
@UNDO_TIMEOUT
@WAIT
@MAX_STOP
@MAX_HOLD
@SIGNERS
@click.option(
    "--allow-older",
    is_flag=True,
    help="Apply a version that is older than one that was applied to this host before.",
)
@IRREVERSIBLE
@click.option("--dry-run", is_flag=True, help="Check all that can be checked, and load nothing.")
@FORMAT
def apply(
    bundle: Path,
    on: str,
    phase: str,
    timeout: float,
    undo_timeout: float | None,
    wait: float,
    max_stop: int | None,
    max_hold: int | None,
    signers: Path | None,
    allow_older: bool,
    irreversible: bool,
    dry_run: bool,
    format_: str,
) -> None:
    """Apply a bundle: patch, wait until every thread has switched, then convert.

    What does not end in time is reversed, and the host is as it was.

    \b
    Example:
      lppack apply proc-cmdline-1_*.lpp --on guest:demo
    """
    with _acting(on):
        warnings: list[str] = []
        with progress(f"applying {bundle}") as tell:

            def say(line: str) -> None:
                if line.startswith(WARNING):
                    warnings.append(line.removeprefix(WARNING))
                tell(line)

            try:
                report = pipeline.apply_bundle(
                    bundle,
                    on,
                    convert=phase == "all",
                    timeout=timeout,
                    undo_timeout=undo_timeout,
                    max_stop=max_stop,
                    max_hold=max_hold,
                    signers=signers,
                    allow_older=allow_older,
                    irreversible=irreversible,
                    wait=wait,
                    dry_run=dry_run,
                    say=say,
                )
            except LppackError as error:
                error.report = {**(error.report or {}), "warnings": warnings}
                raise
        patches = (report,) if report else ()
        _show(
            patches,
            format_,
            empty=f"{bundle} would be applied to {on}",
            more={"changed": _changed(patches), "warnings": warnings},
        )


@click.command()
@click.argument("series")
@ON
@SIMULATED
@IRREVERSIBLE
@WAIT
@FORMAT
def convert(series: str, on: str, irreversible: bool, wait: float, format_: str) -> None:
    """Enable conversion of data: phase 2 alone, once phase 1 is complete.

    \b
    Example:
      lppack convert conn-limit --on guest:demo
    """
    outlive_the_terminal()
    with _acting(on):
        with progress(f"converting {series}") as tell:
            report = pipeline.convert_series(
                series, on, say=tell, irreversible=irreversible, wait=wait
            )
        _show((report,), format_, empty="", more={"changed": report.changed})


@click.command()
@click.argument("series")
@ON
@SIMULATED
@TIMEOUT
@WAIT
@MAX_STOP
@MAX_HOLD
@click.option(
    "--to",
    "version",
    type=click.IntRange(min=1),
    metavar="VERSION",
    help="Then apply that version, of which the host has kept the bundle.",
)
@SIGNERS
@IRREVERSIBLE
@FORMAT
def revert(
    series: str,
    on: str,
    timeout: float,
    wait: float,
    max_stop: int | None,
    max_hold: int | None,
    version: int | None,
    signers: Path | None,
    irreversible: bool,
    format_: str,
) -> None:
    """Take a live patch back: stop converting, reverse the data, unpatch, unload.

    With --to, an earlier version takes its place; in between, the original kernel runs for some
    seconds.

    \b
    Example:
      lppack revert conn-limit --on guest:demo
    """
    outlive_the_terminal()
    with _acting(on):
        with progress(f"reverting {series}") as tell:
            report = (
                pipeline.revert_series(
                    series,
                    on,
                    timeout=timeout,
                    say=tell,
                    wait=wait,
                    max_stop=max_stop,
                    max_hold=max_hold,
                )
                if version is None
                else pipeline.revert_to(
                    *(series, version, on),
                    timeout=timeout,
                    say=tell,
                    signers=signers,
                    irreversible=irreversible,
                    wait=wait,
                    max_stop=max_stop,
                    max_hold=max_hold,
                )
            )
        patches = (report,) if report else ()
        _show(
            patches,
            format_,
            empty=f"nothing was to be done on {on}",
            more={"changed": _changed(patches)},
        )


@click.command()
@ON
@TIMEOUT
@WAIT
@FORMAT
def recover(on: str, timeout: float, wait: float, format_: str) -> None:
    """Go on with what a command that died has left undone, as `status` names it.

    An apply or convert goes on to its end, a revert too; module files and an engine that no patch
    needs are removed. Without any of that, nothing is done.

    \b
    Example:
      lppack recover --on guest:demo
    """
    outlive_the_terminal()
    with _acting(on):
        with progress(f"recovering {on}") as tell:
            reports = pipeline.recover_host(on, timeout=timeout, say=tell, wait=wait)
        _show(
            reports,
            format_,
            empty=f"nothing is left undone on {on}",
            more={"changed": _changed(reports)},
        )


@click.command()
@click.argument("series", required=False)
@ON
@SIMULATED
@click.option(
    "--check", is_flag=True, help="Exit code 9 unless every patch made by lppack is in effect."
)
@FORMAT
def status(series: str | None, on: str, check: bool, format_: str) -> None:
    """Say where things stand: phases, who blocks, which fixes are live.

    \b
    Example:
      lppack status --on guest:demo
    """
    found = pipeline.status_of(series, on)
    if check:
        require_live(found)
    lacks = "" if found.can_patch else f": its kernel {found.kernel} has no live patching"
    _show(
        found.patches,
        format_,
        empty=f"no live patch is on {on}{lacks}",
        more=host_json(found),
    )
    if format_ == "text":
        click.echo("\n".join(_left_undone(found)), nl=bool(_left_undone(found)))


def _left_undone(found: HostStatus) -> list[str]:
    lines = [f"at work: {found.at_work}"] if found.at_work else []
    lines += [f"unfinished: {record}" for record in found.unfinished]
    lines += [f"leftover: {line}" for line in found.leftovers]
    return [*lines, f"  next: {found.next}"] if found.next else lines


@contextlib.contextmanager
def _acting(on: str) -> Iterator[None]:
    """Name the command that shows the state, where an interrupt comes before or after the work."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: the state of {on} was not read again; see: lppack status --on {on}"
        ) from None


def _changed(patches: tuple[PatchReport, ...]) -> bool:
    return any(patch.changed for patch in patches)


def _show(
    patches: tuple[PatchReport, ...],
    format_: str,
    *,
    empty: str,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    if format_ == "json":
        result({"ok": True, "patches": [patch_json(patch) for patch in patches], **more})
        return
    if not patches:
        click.echo(empty)
    for patch in patches:
        click.echo("\n".join(_lines(patch)))


def _gives(name: str) -> str:
    mode = mode_named(ModeName(name))
    kthread = f"; kernel threads {mode.kthread.name}" if mode.kthread is not mode.leave else ""
    return f"{mode.leave.name} {mode.switch.name}{kthread}"


def _fixes(patch: PatchReport) -> list[str]:
    away = {function for _, function in patch.waiting}
    lines = []
    for fix in patch.fixes:
        what = fix["cve"] or ", ".join(fix["functions"]) or "fix"
        waits = not (fix["live"] or fix["in_part"]) and away.intersection(fix["functions"] or away)
        why = ": its module is not loaded, and is patched when it comes" if waits else ""
        state = "live" if fix["live"] else "live in part" if fix["in_part"] else "not live"
        lines.append(f"  {what}: {state}{why}")
    return lines


def _lines(patch: PatchReport) -> list[str]:
    name = f"{patch.series} {patch.version}" if patch.series else f"{patch.module} (not lppack's)"
    words = [f"{name} on {patch.host}: {patch.phase}"]
    if patch.conversion != "none":
        words.append(f"conversion {patch.conversion}, {patch.converted} converted")
    lines = [", ".join(words)]
    if patch.phase is Phase.ABSENT:  # what its engine did is no more
        return [f"{name} on {patch.host}: {patch.phase}", *_fixes(patch)]
    if patch.longest_stop_ms is not None:
        lines.append(f"  the kernel stood still for {patch.longest_stop_ms:.1f} ms at most")
    if patch.mode is not None and patch.mode in set(ModeName):
        lines.append(f"  mode {patch.mode} of engine {patch.engine}: {_gives(patch.mode)}")
    if patch.irreversible:
        lines.append(f"  irreversible: {IRREVERSIBLE_IS}")
    if patch.srcversion is not None:
        lines.append(f"  srcversion {patch.srcversion}")
    if patch.forced:
        lines.append("  a transition was forced here: which code threads run is not known")
    if patch.forced is None:
        lines.append(
            "  the kernel's log cannot be read: whether a transition was forced is unknown"
        )
    if patch.inlining == "unchecked":
        lines.append("  inlining unchecked: callers may hold copies of the old code")
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
    if not patch.blockers and patch.phase in (Phase.PATCHING, Phase.UNPATCHING):
        lines.append("  no thread is seen to block it at this moment")
    if patch.problem:
        lines.append(f"  the last transition was given up: {patch.problem}")
    if patch.left_new:
        lines.append(f"  {patch.left_new}: it was not unpatched, old code would misread that data")
    if (step := next_step(patch)) is not None:
        lines.append(f"  next: {step}")
    return lines
