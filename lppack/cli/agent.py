# SPDX-License-Identifier: MIT
"""agent: apply the bundles that are served to this host, as a policy says; for a systemd timer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lppack import pipeline
from lppack.cli.operate import acting
from lppack.cli.options import ON, SIMULATED
from lppack.cli.output import FORMAT, progress, result
from lppack.errors import LppackError

_POLICY = Path("/etc/lppack/agent.yaml")


@click.command()
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    default=_POLICY,
    show_default=True,
    metavar="FILE",
    help="YAML file: what to apply, from where, and when. See `lppack schema agent`.",
)
@ON
@SIMULATED
@click.option("--dry-run", is_flag=True, help="Fetch and check the bundles, and load nothing.")
@FORMAT
def agent(policy: Path, on: str, dry_run: bool, format_: str) -> None:
    """Apply the bundles that are served to this host, once; for a systemd timer.

    Reads the signed index of the source that the policy names. Fetches each bundle that is for this
    kernel and this ring and is due, checks its signature, and applies it. A patch that is live
    already stays as it is. A bundle that cannot be applied is refused, and the host does not
    change.

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
                click.echo(agent_line(row, on))
            raise
    shown = report.to_json()
    if format_ == "json":
        result({"ok": True, **shown})
        return
    for row in shown["bundles"]:
        click.echo(agent_line(row, on))
    if not report.outcomes:
        ring = f" in ring {report.ring}" if report.ring else ""
        click.echo(f"nothing is served for kernel {report.kernel}{ring}")


def agent_line(row: Mapping[str, Any], on: str) -> str:
    """Return the result for one bundle, as a line of text."""
    words = {
        "wanted": f"would be applied to {on}",
        "applied": f"applied to {on}",
        "live": "live already, nothing to do",
        "held": f"held: {row['message']}",
        "waits": f"waits: {row['message']}",
        "refused": f"refused (exit code {row['code']}: {row['reason']})",
        "failed": f"not applied (exit code {row['code']}: {row['reason']})",
    }
    return f"{row['series']} {row['version']}: {words[row['state']]}"
