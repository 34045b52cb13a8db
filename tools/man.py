# SPDX-License-Identifier: MIT
"""Writes a man page for each command into build/man, from what --help says."""

import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from lppack import __version__
from lppack.cli.main import commands

PLACE = Path(__file__).parent.parent / "build/man"


def write(place: Path = PLACE) -> list[Path]:
    """Return the files, lppack.1 and one for each command."""
    place.mkdir(parents=True, exist_ok=True)
    context = click.Context(commands)
    # lppack imports a command when it is called; click-man reads this table.
    named = {name: commands.get_command(context, name) for name in commands.list_commands(context)}
    commands.commands = {name: found for name, found in named.items() if found is not None}
    write_man_pages("lppack", commands, version=__version__, target_dir=str(place))
    return sorted(place.glob("*.1"))


def main() -> int:
    files = write()
    print(f"{len(files)} pages in {PLACE}; try: man -l {files[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
