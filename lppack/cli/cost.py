# SPDX-License-Identifier: MIT
"""cost: the CPU time that a patch will cost a host, before it is applied there."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lppack import pipeline
from lppack.cli.options import Finite
from lppack.cli.output import FORMAT, result, table
from lppack.cost.words import amount, percent, rate
from lppack.errors import EnvironmentMissing

if TYPE_CHECKING:
    from lppack.cost.price import Price

CALLS = click.option(
    "--calls",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that says how often functions are called on the host: output of funccount "
    "(bcc), ftrace's trace_stat/functionN, or output of perf stat, perf report or perf "
    "script for probes. Can be repeated.",
)
SECONDS = click.option(
    "--seconds",
    metavar="S",
    type=Finite(min=0, min_open=True, max=10 * 365 * 86400),
    help="Seconds for which calls were counted. Used for files of --calls that do not "
    "contain this time.",
)
CPI = click.option(
    "--cpi",
    metavar="CYCLES",
    type=Finite(min=0, min_open=True, max=1000),
    help="Cycles per instruction on the host.  [default: from perf stat]",
)
GHZ = click.option(
    "--ghz",
    metavar="GHZ",
    type=Finite(min=0, min_open=True, max=100),
    help="Clock rate of the host's CPUs.  [default: from perf stat]",
)


def of_calls(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe the calls on a host."""
    for option in (GHZ, CPI, SECONDS, CALLS):
        command = option(command)
    return command


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--kernel",
    metavar="REL",
    help="Release whose calls were measured.  [default: the bundle's own]",
)
@of_calls
@FORMAT
def cost(
    bundle: Path,
    kernel: str | None,
    calls: tuple[Path, ...],
    seconds: float | None,
    cpi: float | None,
    ghz: float | None,
    format_: str,
) -> None:
    """Show what a bundle will cost: instructions per call, and share of a CPU.

    A redirected call takes more instructions than a plain one; how many depends on the engine. With
    --calls, also show the cost on a host, as a share of one CPU, before and after. Needs neither a
    kernel nor root.

    \b
    Example:
      lppack cost proc-cmdline-1_*.lpp
      lppack cost conn-limit-1_*.lpp --calls calls.txt --seconds 10 --cpi 0.8 --ghz 3.1
    """
    if not calls and seconds is not None:
        raise click.UsageError("--seconds requires --calls")
    if kernel is not None and not kernel[:1].isdigit():
        raise EnvironmentMissing(
            f"{kernel!r} is not a kernel release",
            hint="give the release as uname -r prints it, for example 6.1.0-56-amd64",
        )
    host = pipeline.HostCalls(calls=calls, seconds=seconds, cpi=cpi, ghz=ghz)
    price = pipeline.price_bundle(bundle, host, kernel=kernel)
    if format_ == "json":
        result({"ok": True, **cost_json(price)})
        return
    _show(price)


def _show(price: "Price") -> None:
    from lppack.cost.words import assumptions

    rows: list[tuple[str, ...]] = [("function", "object", "calls a second")]
    rows += [
        (
            one.name,
            one.object,
            f"not counted: {one.why_not}" if one.per_second is None else rate(one.per_second),
        )
        for one in price.functions
    ]
    table(rows)
    click.echo()
    rows = [("path", "a call", "added", "added a second", "before", "after")]
    rows += [
        (
            path.path + (" *" if path.path == price.own else ""),
            f"{path.instructions:.0f}",
            f"{path.added:.0f}",
            amount(path.added_per_second),
            percent(path.before),
            percent(path.after),
        )
        for path in price.paths
    ]
    table(rows)
    if price.own:
        click.echo("* the path that this bundle uses")
    click.echo()
    for line in assumptions(price):
        click.echo(line)


def cost_json(price: "Price") -> dict[str, Any]:
    return {
        "kernel": price.release,
        "measured": {
            "kernel": price.measured.release,
            "version": price.measured.version,
            "exact": price.exact,
            "command": price.measured.command,
        },
        "functions": [
            {
                "object": one.object,
                "name": one.name,
                "per_second": one.per_second,
                "not_counted": one.why_not,
            }
            for one in price.functions
        ],
        "cycles_per_instruction": price.cost.cycles_per_instruction if price.cost else None,
        "ghz": price.cost.ghz if price.cost else None,
        "own": price.own,
        "paths": [
            {
                "path": path.path,
                "instructions": path.instructions,
                "added": path.added,
                "added_per_second": path.added_per_second,
                "before": path.before,
                "after": path.after,
                "added_share": path.added_share,
            }
            for path in price.paths
        ],
    }
