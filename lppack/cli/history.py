# SPDX-License-Identifier: MIT
"""history: who changed a host, when, with what, and how it ended."""

import click

from lppack import pipeline
from lppack.cli.options import ON
from lppack.cli.output import FORMAT, result
from lppack.stages.host_status import record_json
from lppack.stages.journal import Record


@click.command()
@ON
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many, the newest last; 500 are kept.",
)
@FORMAT
def history(on: str, last: int, format_: str) -> None:
    """List each apply, convert, revert and recover of a host, and how it ended.

    \b
    Example:
      lppack history --on guest:demo
    """
    records = pipeline.history_of(on, last)
    if format_ == "json":
        result({"ok": True, "host": on, "records": [record_json(record) for record in records]})
        return
    if not records:
        click.echo(f"no command of lppack has changed {on}")
    for record in records:
        click.echo("\n".join(_lines(record)))


def _lines(record: Record) -> list[str]:
    what = f"{record.series} {record.version}" if record.version is not None else record.series
    ended = "unfinished" if record.result is None else record.result
    code = "" if record.code in (None, 0) else f" (exit code {record.code}: {record.reason})"
    lines = [f"{record.began}  {record.command} {what or record.module or ''}".rstrip()]
    lines[0] += f": {ended}{code}, by {record.user} (pid {record.pid})"
    if record.bundle:
        lines.append(f"  {record.bundle}, engine {record.engine}, sha256 {record.sha256}")
    if record.message:
        lines.append(f"  {record.message.splitlines()[0]}")
    if record.code != 0 and record.steps:
        lines.append(f"  last step: {record.steps[-1]['step']} {record.steps[-1]['module']}")
    return lines
