# SPDX-License-Identifier: MIT
"""package: turn a bundle into a .deb or .rpm."""

from pathlib import Path

import click

from lppack import pipeline
from lppack.cli.options import IRREVERSIBLE, SIGNERS


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--format", "format_", required=True, type=click.Choice(["deb", "rpm"]))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder for the package.  [default: the current one]",
)
@click.option(
    "--maintainer",
    metavar="'NAME <MAIL>'",
    help="Maintainer of the package.  [default: the author of the patch]",
)
@SIGNERS
@IRREVERSIBLE
def package(
    bundle: Path,
    format_: str,
    output: Path,
    maintainer: str | None,
    signers: Path | None,
    irreversible: bool,
) -> None:
    """Make a package from a bundle; the package applies the patch on installation and at each boot.

    The host does not need lppack. With lppack.disable on the kernel command line, the patch is not
    applied. A boot guard does not apply it again if the machine went down while the patch was being
    applied, or crashed within a minute after. Removing the package reverts the patch, or fails.

    \b
    Example:
      lppack package proc-cmdline-1_*.lpp --format deb --maintainer 'A B <ab@example.org>'
    """
    made = pipeline.package_bundle(
        bundle,
        format_,
        output,
        maintainer=maintainer,
        irreversible=irreversible,
        signers=signers,
    )
    click.echo(made)
