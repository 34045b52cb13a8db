# SPDX-License-Identifier: MIT
"""rollout plan: predict the transition on each host of a fleet, and which hosts to begin with."""

import json
from pathlib import Path

import click

from lppack import pipeline
from lppack.cli.options import Finite
from lppack.cli.output import result
from lppack.errors import AnswerIsNo


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
    help="Folder with a subfolder for each host: status.json, stacks.folded and FUNCTION.hist.",
)
@click.option(
    "--watched",
    type=Finite(min=0, min_open=True),
    metavar="S",
    help="Seconds for which stacks were recorded on each host.",
)
@click.option(
    "--timeout",
    type=Finite(min=0.1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds that a transition may take.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
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
    """Predict when transitions finish on the hosts of a fleet, and which hosts would stall.

    Hosts with the same kernel and bundle form a class. The data recorded on the hosts is the input.

    \b
    Example:
      lppack rollout plan proc-cmdline-1_*.lpp --hosts hosts
    """
    from lppack.cli.rollout_table import plan_json, show

    made = pipeline.rollout_plan(bundles, hosts, watched=watched, limit=timeout, seed=seed)
    if format_ == "text":
        show(made)
    if not made.order:
        raise AnswerIsNo(
            f"no host in {hosts} can be first",
            hint="each host lacks a bundle for its kernel, or its transition would not "
            "finish: see the table",
            report=plan_json(made),
        )
    if format_ == "json":
        result({"ok": True, **plan_json(made)})
    elif format_ == "ansible":
        chosen = {"lppack_hosts": list(made.order), "lppack_left_out": list(made.left_out)}
        click.echo(json.dumps(chosen, indent=2))
