# SPDX-License-Identifier: MIT
"""Sessions that the pages show: type their commands, and compare what these print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.kit.command import ROOT


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints) of each `$` line in the blocks that show a console."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, _, rest = part.partition("\n")
            if "<<'EOF'" in first:
                here, _, rest = rest.partition("\nEOF\n")
                first = f"{first}\n{here}\nEOF"
            yield first, rest


def section(page: str, title: str) -> str:
    """The text below a `##` heading."""
    return (ROOT / page).read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def typed(text: str, folder: Path, environ: Mapping[str, str] = {}) -> Iterator[str]:
    """Type the commands of ``text`` in ``folder``; yield each that prints what the text shows."""
    for name in ("examples", "ansible"):
        (folder / name).symlink_to(ROOT / name)
    # As a shell has it whose virtual environment is active.
    (folder / "bin").mkdir()
    program = folder / "bin/lppack"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lppack "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, **environ, "LC_ALL": "C.UTF-8"}
    env["PATH"] = f"{program.parent}:{Path(sys.executable).parent}:{env['PATH']}"
    env |= {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state")}
    for command, wanted in commands(text):
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == wanted, command
        yield command
