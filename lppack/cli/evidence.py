# SPDX-License-Identifier: MIT
"""Commands that report which CVEs are fixed: vex and cves."""

import getpass
import socket
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from lppack import pipeline
from lppack.cli.options import ON, SIMULATED
from lppack.cli.output import FORMAT, result


@click.command()
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@ON
@SIMULATED
@click.option(
    "--format",
    "kind",
    type=click.Choice(["openvex", "csaf", "cyclonedx"]),
    default="openvex",
    show_default=True,
    help="Format of the report; cyclonedx needs the extra lppack[fleet].",
)
@click.option(
    "--author", metavar="NAME", help="Issuer of the report.  [default: USER at this machine]"
)
@click.option(
    "--namespace",
    metavar="URL",
    help="A URL of the issuer, which CSAF requires.  [default: https://THIS.MACHINE]",
)
def vex(bundle: Path | None, on: str, kind: str, author: str | None, namespace: str | None) -> None:
    """Report for each CVE whether it is fixed in the running kernel, in a format for scanners.

    With a BUNDLE instead of a host, the CVEs of the bundle are `affected` until it is applied. A
    fix that is live in part, or not in effect, is `affected`. A fix that is in effect but may not
    be complete is `under_investigation`.

    \b
    Example:
      lppack vex --on guest:demo
    """
    here = socket.gethostname()
    document = pipeline.vex(
        bundle,
        on,
        kind,
        author=author or f"{getpass.getuser()} at {here}",
        namespace=namespace or f"https://{here}",
    )
    click.echo(document, nl=False)


@click.command()
@click.argument("tracker", type=click.Path(path_type=Path))
@click.argument("bundles", nargs=-1, type=click.Path(path_type=Path))
@ON
@SIMULATED
@click.option(
    "--suite",
    metavar="NAME",
    help="Debian suite of the kernel, for example bookworm.  "
    "[default: the suite that has the kernel]",
)
@FORMAT
def cves(
    tracker: Path, bundles: tuple[Path, ...], on: str, suite: str | None, format_: str
) -> None:
    """List the CVEs of the running kernel: live, applied, fixable by BUNDLES, or open.

    TRACKER is a JSON file that you download from Debian's security tracker.

    \b
    Example:
      lppack cves tracker.json bundles/*.lpp --on guest:demo
    """
    found = pipeline.cves_of(tracker, bundles, on, suite)
    if format_ == "json":
        result({"ok": True, **asdict(found)})
        return
    for one in found.cves:
        click.echo(f"{one.cve}  {one.state}" + (f": {one.by}" if one.by else ""))
    counts = Counter(one.state for one in found.cves)
    said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none is known"
    click.echo(f"{found.name} {found.package} ({found.suite}) on {found.host}: {said}")
