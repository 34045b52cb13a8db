# SPDX-License-Identifier: MIT
"""watch and history: current and past changes of a host."""

from typing import TYPE_CHECKING

import click

from lppack import pipeline
from lppack.cli.options import ON, ON_WITH_HISTORY, SIMULATED, Finite
from lppack.cli.output import FORMAT, progress, result

if TYPE_CHECKING:
    from lppack.stages.journal import JournalRecord
    from lppack.stages.status import PatchReport


@click.command()
@ON
@SIMULATED
@click.option(
    "--timeout",
    type=Finite(min=0.1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds to watch. A transition that takes longer continues, and is no longer shown.",
)
@FORMAT
def watch(on: str, timeout: float, format_: str) -> None:
    """Show transitions as they progress: which threads block, where, and for how long.

    Changes nothing. Ends when no transition is under way; exit code 9 if one still is after
    --timeout.

    \b
    Example:
      lppack watch --on guest:demo
    """
    with progress(f"watching {on}") as tell:
        patches = pipeline.watch_host(on, timeout=timeout, say=tell)
    if format_ == "json":
        result({"ok": True, "patches": [patch.to_json() for patch in patches]})
        return
    click.echo(f"no transition is under way on {on}" + "".join(f"\n{_short(p)}" for p in patches))


def _short(patch: "PatchReport") -> str:
    name = f"{patch.series} {patch.version}" if patch.series else patch.module
    return f"{name}: {patch.phase}"


@click.command()
@ON_WITH_HISTORY
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Number of records to list, the newest last; 500 are kept.",
)
@FORMAT
def history(on: str, last: int, format_: str) -> None:
    """List each apply, convert, revert and recover on a host, with its result.

    \b
    Example:
      lppack history --on guest:demo
    """
    records = pipeline.history_of(on, last)
    if format_ == "json":
        result({"ok": True, "host": on, "records": [record.to_json() for record in records]})
        return
    if not records:
        click.echo(f"no command of lppack has changed {on}")
    for record in records:
        click.echo("\n".join(_lines(record)))


def _lines(record: "JournalRecord") -> list[str]:
    what = f"{record.series} {record.version}" if record.version is not None else record.series
    ended = "unfinished" if record.result is None else record.result
    code = "" if record.code in (None, 0) else f" (exit code {record.code}: {record.reason})"
    lines = [f"{record.began}  {record.command} {what or record.module or ''}".rstrip()]
    lines[0] += f": {ended}{code}, by {record.user} (pid {record.pid})"
    if record.bundle:
        lines.append(f"  {record.bundle}, engine {record.engine}, sha256 {record.sha256}")
    if record.signer:
        lines.append(f"  signed by {record.signer}")
    if record.message:
        lines.append(f"  {record.message.splitlines()[0]}")
    if record.code != 0 and record.steps:
        lines.append(f"  last step: {record.steps[-1]['step']} {record.steps[-1]['module']}")
    return lines
