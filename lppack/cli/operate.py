# SPDX-License-Identifier: MIT
"""Commands for operators: apply, convert, revert, recover, status."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lppack import pipeline
from lppack.cli.options import (
    IRREVERSIBLE,
    MAX_HOLD,
    MAX_STOP,
    ON,
    ON_WITH_HISTORY,
    PHASE,
    SIGNERS,
    SIMULATED,
    TIMEOUT,
    UNDO_TIMEOUT,
    WAIT,
)
from lppack.cli.output import FORMAT, note, outlive_the_terminal, progress
from lppack.cli.patches import left_undone, show
from lppack.errors import WARNING, Interrupted, LppackError

if TYPE_CHECKING:
    from lppack.stages.status import PatchReport


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@ON
@SIMULATED
@PHASE
@TIMEOUT
@UNDO_TIMEOUT
@WAIT
@MAX_STOP
@MAX_HOLD
@SIGNERS
@click.option(
    "--allow-older",
    is_flag=True,
    help="Allow a version that is older than the newest one ever applied to this host.",
)
@IRREVERSIBLE
@click.option("--dry-run", is_flag=True, help="Run every check, and load nothing.")
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
    """Apply a bundle: patch, wait until every thread has switched, then enable conversion.

    If the transition does not end in time, it is reversed, and the host is as before.

    \b
    Example:
      lppack apply proc-cmdline-1_*.lpp --on guest:demo
    """
    with acting(on):
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
        show(
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
    """Enable conversion of data (phase 2); phase 1 must be complete.

    \b
    Example:
      lppack convert conn-limit --on guest:demo
    """
    outlive_the_terminal()
    with acting(on):
        with progress(f"converting {series}") as tell:
            report = pipeline.convert_series(
                series, on, say=tell, irreversible=irreversible, wait=wait
            )
        show((report,), format_, empty="", more={"changed": report.changed})


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
    help="After that, apply this earlier version, whose bundle the host has kept.",
)
@PHASE
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
    phase: str,
    signers: Path | None,
    irreversible: bool,
    format_: str,
) -> None:
    """Revert a live patch: stop conversion, reverse the data, unpatch, unload the module.

    With --to, apply an earlier version afterwards; in between, the original functions run for some
    seconds. --phase is about that version.

    \b
    Example:
      lppack revert conn-limit --on guest:demo
    """
    outlive_the_terminal()
    with acting(on):
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
                    convert=phase == "all",
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
        show(
            patches,
            format_,
            empty=f"nothing was to be done on {on}",
            more={"changed": _changed(patches)},
        )


@click.command()
@ON_WITH_HISTORY
@TIMEOUT
@WAIT
@FORMAT
def recover(on: str, timeout: float, wait: float, format_: str) -> None:
    """Complete the work of a command that was killed; `status` shows what is left undone.

    Completes an apply, convert or revert that was interrupted. Removes module files, and an engine
    that no patch needs. Does nothing if no work is left.

    \b
    Example:
      lppack recover --on guest:demo
    """
    outlive_the_terminal()
    with acting(on):
        with progress(f"recovering {on}") as tell:
            reports = pipeline.recover_host(on, timeout=timeout, say=tell, wait=wait)
        show(
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
    "--check", is_flag=True, help="Exit code 9 unless every patch of lppack is in effect."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "prometheus"]),
    default="text",
    help="json: one object on stdout. prometheus: for node_exporter's textfile collector.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --format prometheus: write to this file, atomically.",
)
def status(series: str | None, on: str, check: bool, format_: str, output: Path | None) -> None:
    """Report the state of a host: phases, blocking threads, which fixes are live.

    \b
    Example:
      lppack status --on guest:demo
    """
    if output is not None and format_ != "prometheus":
        raise click.UsageError("-o requires --format prometheus")
    if output is not None:
        pipeline.metrics_place(output)
    found = pipeline.status_of(series, on)
    if output is not None:
        pipeline.write_metrics(found, output)
    elif format_ == "prometheus":
        click.echo(pipeline.metrics_of(found), nl=False)
    if check:
        pipeline.require_live(found)
    if format_ == "prometheus":
        return
    lacks = "" if found.can_patch else f": kernel {found.kernel} has no livepatch support"
    show(
        found.patches,
        format_,
        empty=f"no live patch is on {on}{lacks}",
        more=found.to_json(),
    )
    if format_ == "text":
        click.echo("\n".join(left_undone(found)), nl=bool(left_undone(found)))
        if modules := found.mixing:
            note(
                f"{on} runs with preempt={found.preempts}: reverting {', '.join(modules)} "
                "may mix old and new functions; see: lppack explain kernel-code-is-not-preempted"
            )


@contextlib.contextmanager
def acting(on: str) -> Iterator[None]:
    """On an interrupt before or after the work, name the command that shows the state."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: the state of {on} is not known; see: lppack status --on {on}"
        ) from None


def _changed(patches: "tuple[PatchReport, ...]") -> bool:
    return any(patch.changed for patch in patches)
