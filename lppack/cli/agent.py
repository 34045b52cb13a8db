# SPDX-License-Identifier: MIT
"""agent: applies what is served to this host, by a policy; for a systemd timer."""

from pathlib import Path

import click

from lppack import pipeline
from lppack.cli.operate import acting
from lppack.cli.options import ON, SIMULATED
from lppack.cli.output import FORMAT, progress, result
from lppack.errors import LppackError
from lppack.stages.agent import AgentOutcome, AgentState

_POLICY = Path("/etc/lppack/agent.yaml")


@click.command()
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    default=_POLICY,
    show_default=True,
    metavar="FILE",
    help="What to apply, from where, when: YAML, see `lppack schema agent`.",
)
@ON
@SIMULATED
@click.option("--dry-run", is_flag=True, help="Fetch and check, and load nothing.")
@FORMAT
def agent(policy: Path, on: str, dry_run: bool, format_: str) -> None:
    """Apply what is served to this host, once; for a systemd timer.

    Reads the signed index of the source that the policy names, fetches each bundle that is for this
    kernel and this ring and due, checks its signature, and applies it. What is live already is left
    alone; what cannot be applied is refused, and the host is as it was.

    \b
    Example:
      lppack agent --policy agent.yaml --on guest:demo
    """
    with acting(on), progress("fetching the index") as tell:
        try:
            report = pipeline.run_agent(policy, on, dry_run=dry_run, say=tell)
        except LppackError as error:
            rows = (error.report or {}).get("bundles", ()) if format_ == "text" else ()
            for row in rows:
                click.echo(_line(AgentOutcome(**row), on))
            raise
    if format_ == "json":
        result({"ok": True, **report.to_json()})
        return
    for outcome in report.outcomes:
        click.echo(_line(outcome, on))
    if not report.outcomes:
        ring = f" in ring {report.ring}" if report.ring else ""
        click.echo(f"nothing is served for kernel {report.kernel}{ring}")


def _line(outcome: AgentOutcome, on: str) -> str:
    words = {
        AgentState.WANTED: f"would be applied to {on}",
        AgentState.APPLIED: f"applied to {on}",
        AgentState.LIVE: "live already, nothing to do",
        AgentState.HELD: f"held: {outcome.message}",
        AgentState.WAITS: f"waits: {outcome.message}",
        AgentState.REFUSED: f"refused (exit code {outcome.code}: {outcome.reason})",
        AgentState.FAILED: f"not applied (exit code {outcome.code}: {outcome.reason})",
    }
    return f"{outcome.series} {outcome.version}: {words[outcome.state]}"
