# SPDX-License-Identifier: MIT
"""ids: the ids of a patch, and the file that reserves ids."""

from pathlib import Path

import click

from lppack.cli.output import FORMAT, result

PATCH = click.argument("patch", type=click.Path(path_type=Path))


@click.group()
def ids() -> None:
    """Show and reserve the ids of states and shadow variables.

    Ids are hashes of names, unless lppack-ids.yaml in the root of the repository reserves other
    ones.

    \b
    Example:
      lppack ids list examples/conn-limit
    """


@ids.command()
@click.argument("name")
@click.option(
    "--in",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    show_default=True,
    help="Any folder of the repository.",
)
@FORMAT
def new(name: str, folder: Path, format_: str) -> None:
    """Reserve NAME in lppack-ids.yaml, and print its id.

    \b
    Example:
      lppack ids new conn-limit/shadow/conn_ext/2
    """
    from lppack.pipeline import reserve_id

    number, path = reserve_id(name, folder)
    if format_ == "json":
        result({"ok": True, "name": name, "id": number, "file": str(path)})
    else:
        click.echo(f"{name}: {number:#x}  in {path}")


@ids.command(name="list")
@PATCH
@FORMAT
def list_(patch: Path, format_: str) -> None:
    """Print every id of a patch, with its name.

    \b
    Example:
      lppack ids list examples/conn-limit
    """
    from lppack.pipeline import ids_of

    known, names = ids_of(patch)
    rows = [(name, number, name in known.reserved) for name, number in names.items()]
    if format_ == "json":
        shown = [{"name": name, "id": number, "reserved": kept} for name, number, kept in rows]
        result({"ok": True, "file": str(known.path) if known.path else None, "ids": shown})
        return
    for name, number, kept in rows:
        click.echo(f"{name}: {number:#x}{'  reserved' if kept else ''}")
