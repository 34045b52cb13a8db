# SPDX-License-Identifier: MIT
"""The authors' guide, from the diff to the bundle: its commands do what it shows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import EXAMPLES, ROOT

pytestmark = pytest.mark.guest


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints) of each `$` line in the blocks that show a console."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, _, rest = part.partition("\n")
            if "<<'EOF'" in first:
                here, _, rest = rest.partition("\nEOF\n")
                first = f"{first}\n{here}\nEOF"
            yield first, rest


def test_commands_are_told_from_what_they_print() -> None:
    text = "x\n```console\n$ a\nout\n$ cat <<'EOF'\nin\nEOF\n```\n```sh\n$ no\n```\n"
    assert list(commands(text)) == [("a", "out\n"), ("cat <<'EOF'\nin\nEOF", "")]


def test_the_walk_through(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    # As a shell has it whose virtual environment is active.
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/lppack"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lppack "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "LC_ALL": "C"}
    env["PYTHONPATH"] = str(ROOT)
    done = []
    for command, wanted in commands((ROOT / "docs/authors.md").read_text()):
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == wanted, command
        done.append(command.split()[1])
    assert done == ["draft", "my-fix", "-r", ">>", "test", "validate", "build"]
