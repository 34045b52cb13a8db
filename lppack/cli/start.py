# SPDX-License-Identifier: MIT
"""new and schema: what an author begins with."""

import json
from pathlib import Path

import click

from lppack import pipeline, resources
from lppack.cli.options import FORCE
from lppack.cli.output import note


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@FORCE
def new(folder: Path, force: bool) -> None:
    """Write a working patch to start from: manifest, C and a test.

    The patch is named after its folder. To start from a diff, or from a copy of a function of the
    kernel, use `lppack draft`.

    \b
    Example:
      lppack new my-fix
    """
    for name in pipeline.new_patch(folder, force=force):
        click.echo(str(folder / name))
    note(f"  hint: try it: lppack test {folder}")


@click.command()
def schema() -> None:
    """Print the JSON schema of manifests, for editors.

    \b
    Example:
      lppack schema > manifest-v1.json
    """
    click.echo(json.dumps(resources.schema("manifest-v1"), indent=2, ensure_ascii=False))
