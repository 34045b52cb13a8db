# SPDX-License-Identifier: MIT
"""rollout plan: what is to be expected of each host of a fleet, and which to begin with."""

import json
import math
from pathlib import Path
from typing import Any

import click

from lppack import pipeline
from lppack.analyse.rollout import HostClass, HostForecast, RolloutPlan
from lppack.analyse.words import share, time, who
from lppack.cli.output import result, table
from lppack.cli.sample import sample_json
from lppack.consistency import mode_named
from lppack.errors import AnswerIsNo

_TITLES = ("  host", "verdict", "no end", "9 of 10 after", "held up by")


@click.group()
def rollout() -> None:
    """Prepare a roll-out to many hosts; Ansible carries it out.

    \b
    Example:
      lppack rollout plan proc-cmdline-1_*.lpp --hosts hosts
    """


@rollout.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--hosts",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="A folder for each host, with its status.json, stacks.folded and FUNCTION.hist.",
)
@click.option(
    "--watched",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="For how long the stacks were watched, on each host.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds that a transition may take.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "ansible"]),
    default="text",
    help="json: one object on stdout. ansible: the hosts in order, for ansible-playbook -e @FILE.",
)
def plan(
    bundles: tuple[Path, ...],
    hosts: Path,
    watched: float | None,
    timeout: float,
    seed: int,
    format_: str,
) -> None:
    """Predict for each class of hosts (kernel, bundle) when its transitions finish, and which hosts
    would stall, from what was gathered on them.

    \b
    Example:
      lppack rollout plan proc-cmdline-1_*.lpp --hosts hosts
    """
    made = pipeline.rollout_plan(bundles, hosts, watched=watched, limit=timeout, seed=seed)
    if format_ == "text":
        _show(made)
    if not made.order:
        raise AnswerIsNo(
            f"there is no host in {hosts} to begin with",
            hint="each has no bundle for its kernel, or would not finish: see the table",
            report=_json(made),
        )
    if format_ == "json":
        result({"ok": True, **_json(made)})
    elif format_ == "ansible":
        chosen = {"lppack_hosts": list(made.order), "lppack_left_out": list(made.left_out)}
        click.echo(json.dumps(chosen, indent=2))


def _show(made: RolloutPlan) -> None:
    for of in made.classes:
        click.echo(_head(of))
        table(
            [("  host", "verdict", "no end", "9 of 10 after", "held up by"), *map(_row, of.hosts)]
        )
        click.echo()
    click.echo(f"begin with: {', '.join(made.order) or 'none'}")
    if made.left_out:
        click.echo(f"leave out: {', '.join(made.left_out)}")


def _head(of: HostClass) -> str:
    name = f"kernel {of.kernel or 'not known'}, {of.bundle or 'no bundle'}"
    count = f"{len(of.hosts)} host" + ("s" if len(of.hosts) > 1 else "")
    when = "" if of.seconds is None else f", those that finish within {time(of.seconds)}"
    return f"{name}: {count}{when}"


def _row(host: HostForecast) -> tuple[str, ...]:
    made = host.prediction
    if made is None:
        return (f"  {host.host}", host.verdict, "-", "-", host.why or "-")
    when = time(host.seconds) if dict(made.times) else "not known"
    holder = who(made.blockers[0]) if made.blockers else "nobody"
    return (f"  {host.host}", host.verdict, share(made.stall), when, holder)


def _json(made: RolloutPlan) -> dict[str, Any]:
    return {
        "classes": [
            {
                "kernel": of.kernel,
                "bundle": of.bundle,
                "seconds": of.seconds,
                "stalls": list(of.stalls),
                "hosts": [_host_json(host) for host in of.hosts],
            }
            for of in made.classes
        ],
        "order": list(made.order),
        "left_out": list(made.left_out),
    }


def _host_json(host: HostForecast) -> dict[str, Any]:
    made = None
    if host.mode is not None and host.prediction is not None:
        made = sample_json(mode_named(host.mode), host.prediction)
    return {
        "host": host.host,
        "verdict": host.verdict,
        "seconds": host.seconds if math.isfinite(host.seconds) else None,
        "why": host.why,
        "forecast": made,
    }
