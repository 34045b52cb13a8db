# SPDX-License-Identifier: MIT
"""Write a man page for each command into build/man, from its --help text."""

import re
import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from lppack import __version__
from lppack.cli.main import commands

PLACE = Path(__file__).parent.parent / "build/man"
#: Text that click does not rewrap: from \b to the end of the paragraph.
_AS_WRITTEN = re.compile(r"\x08\n(.*?)(?=\n\.(?:PP|SH))", re.DOTALL)


def write(place: Path = PLACE) -> list[Path]:
    """Write lppack.1 and a page for each command into ``place``; return their paths."""
    place.mkdir(parents=True, exist_ok=True)
    context = click.Context(commands)
    # lppack imports a command only when it is called, but click-man needs all of them here.
    named = {name: commands.get_command(context, name) for name in commands.list_commands(context)}
    commands.commands = {name: found for name, found in named.items() if found is not None}
    write_man_pages("lppack", commands, version=__version__, target_dir=str(place))
    for page in place.glob("*.1"):
        page.write_text(_AS_WRITTEN.sub(_verbatim, page.read_text()))
    return sorted(place.glob("*.1"))


def _verbatim(found: re.Match[str]) -> str:
    text = found[1].replace("\\", "\\e").replace("-", "\\-")
    return f".nf\n{text}\n.fi"


def main(place: str = str(PLACE)) -> int:
    files = write(Path(place))
    print(f"{len(files)} pages in {place}; try: man -l {files[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
