# SPDX-License-Identifier: MIT
"""The command for those who answer what is fixed: vex."""

import getpass
import socket
from pathlib import Path

import click

from lppack import pipeline
from lppack.cli.options import ON, SIMULATED


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
    help="cyclonedx needs the extra lppack[fleet].",
)
@click.option("--author", metavar="NAME", help="Who says it.  [default: USER at this machine]")
@click.option(
    "--namespace",
    metavar="URL",
    help="A URL of the author, which CSAF asks for.  [default: https://THIS.MACHINE]",
)
def vex(bundle: Path | None, on: str, kind: str, author: str | None, namespace: str | None) -> None:
    """Say for each CVE whether it is fixed in the running kernel, as scanners read it.

    With a BUNDLE: what it is for, of which the kernel is affected until it is applied. A fix that
    is live in part, or not in effect, is `affected`; one that is in effect, where it cannot be
    known whether that is all, is `under_investigation`.

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
