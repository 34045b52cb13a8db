# SPDX-License-Identifier: MIT
"""The authors' guide, from the diff to the bundle: its commands do what it shows."""

import re
import shlex
from pathlib import Path

import click
import pytest

from lppack.cli import main
from tests.kit.command import ROOT
from tests.kit.typed import commands, section, typed

pytestmark = pytest.mark.guest


def test_commands_are_told_from_what_they_print() -> None:
    text = "x\n```console\n$ a\nout\n$ cat <<'EOF'\nin\nEOF\n```\n```sh\n$ no\n```\n"
    assert list(commands(text)) == [("a", "out\n"), ("cat <<'EOF'\nin\nEOF", "")]


def test_the_walk_through(tmp_path: Path) -> None:
    done = [
        command.split()[1] for command in typed((ROOT / "docs/authors.md").read_text(), tmp_path)
    ]
    assert done == ["draft", "my-fix", "-r", ">>", "test", "validate", "build"]


def test_from_one_host_to_many(tmp_path: Path) -> None:
    session = section("docs/fleet.md", "6. All of it on one machine")
    done = [command for command in typed(session, tmp_path) if "lppack" in command]
    for word in ("sign", "verify", "agent", "status", "vex", "rollout plan", "revert"):
        assert any(f"lppack {word} " in command for command in done), word
    for word in ("ansible-galaxy", "ansible-playbook", "ansible"):
        assert any(command.startswith(f"{word} ") for command in done), word


@pytest.mark.parametrize("page", ["docs/fleet.md", "docs/operators.md"])
def test_each_command_of_the_operators_pages_is_one(page: str) -> None:
    """Its name and options; what it would do is not done."""
    lines = re.findall(r"^    (?:# )?(lppack .*)$", (ROOT / page).read_text(), re.MULTILINE)
    assert len(lines) >= 10
    for line in lines:
        words = shlex.split(re.split(r"  |[>|]", line, maxsplit=1)[0], comments=True)[1:]
        with main.commands.make_context("lppack", list(words)) as top:
            command: click.Command = main.commands
            while isinstance(command, click.Group):
                name, found, words = command.resolve_command(top, list(words))
                assert found is not None, line
                command = found
            try:
                command.make_context(name, list(words), parent=top)
            except click.UsageError as error:
                pytest.fail(f"{line}: {error.message}")


def test_a_command_that_is_none_is_found() -> None:
    with pytest.raises(click.UsageError), main.commands.make_context("x", ["apply"]) as top:
        name, found, words = main.commands.resolve_command(top, ["apply", "x", "--nothing"])
        assert found is not None
        found.make_context(name, words, parent=top)
