# SPDX-License-Identifier: MIT
"""new and schema: the starting point of an author."""

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
    """Write a working patch as a starting point: a manifest, C and a test.

    The patch gets the name of its folder. To start from a diff or from a copy of a kernel function,
    use `lppack draft`.

    \b
    Example:
      lppack new my-fix
    """
    for name in pipeline.new_patch(folder, force=force):
        click.echo(str(folder / name))
    note(f"  hint: try it: lppack test {folder}")


_SCHEMAS = {"manifest": "manifest-v1", "agent": "agent-v1", "index": "index-v1"}


@click.command()
@click.argument("of", type=click.Choice(list(_SCHEMAS)), default="manifest", required=False)
def schema(of: str) -> None:
    """Print a JSON schema, for editors.

    Schemas: the manifest, the policy of the agent, and the index that agents read.

    \b
    Example:
      lppack schema > manifest-v1.json
    """
    click.echo(json.dumps(resources.schema(_SCHEMAS[of]), indent=2, ensure_ascii=False))
