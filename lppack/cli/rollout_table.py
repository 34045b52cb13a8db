# SPDX-License-Identifier: MIT
"""Output of rollout plan: each class of hosts, and which hosts to begin with."""

import math
from typing import TYPE_CHECKING, Any

import click

from lppack.analyse.words import share, time, who
from lppack.cli.output import table
from lppack.cli.sample import sample_json
from lppack.consistency import mode_named

if TYPE_CHECKING:
    from lppack.analyse.rollout import HostClass, HostForecast, RolloutPlan

_TITLES = ("  host", "verdict", "no end", "9 of 10 after", "held up by")


def show(made: "RolloutPlan") -> None:
    for of in made.classes:
        click.echo(_head(of))
        table([_TITLES, *map(_row, of.hosts)])
        click.echo()
    click.echo(f"begin with: {', '.join(made.order) or 'none'}")
    if made.left_out:
        click.echo(f"leave out: {', '.join(made.left_out)}")


def _head(of: "HostClass") -> str:
    name = f"kernel {of.kernel or 'not known'}, {of.bundle or 'no bundle'}"
    count = f"{len(of.hosts)} host" + ("s" if len(of.hosts) > 1 else "")
    if of.seconds is None:
        return f"{name}: {count}"
    when = f"within {time(of.seconds)}" if of.seconds > 0 else "at once"
    return f"{name}: {count}; those that finish are done {when}"


def _row(host: "HostForecast") -> tuple[str, ...]:
    made = host.prediction
    if made is None:
        return (f"  {host.host}", host.verdict, "-", "-", host.why or "-")
    when = time(host.seconds) if dict(made.times) else "not known"
    holder = who(made.blockers[0]) if made.blockers else "nobody"
    return (f"  {host.host}", host.verdict, share(made.stall), when, holder)


def plan_json(made: "RolloutPlan") -> dict[str, Any]:
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


def _host_json(host: "HostForecast") -> dict[str, Any]:
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
