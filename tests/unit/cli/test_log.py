# SPDX-License-Identifier: MIT
"""-v, -q and LPPACK_DEBUG: what is printed beside the result, and that no secret is."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lppack import proc
from lppack.cli.log import add_options
from lppack.cli.main import commands
from tests.kit.command import ROOT, Ran, lppack

PATCH = ROOT / "examples/proc-cmdline"
PIN = "pkcs11:token=lab;object=key?pin-value=123456&x=1"


def asked(tmp_path: Path, *words: str, **variables: str) -> Ran:
    """A command that runs a program: apt-cache, here one that offers no kernel."""
    program = tmp_path / "apt-cache"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path), **variables}
    return lppack(*words, "validate", PATCH, "--kernel", "6.1.0-*-amd64", env=env)


@pytest.mark.slow
def test_v_prints_the_programs_with_their_seconds(tmp_path: Path) -> None:
    said = asked(tmp_path, "-v").err
    assert re.search(r"^\+ apt-cache pkgnames -- \S+: exit code 0, \d+\.\d\d s$", said, re.M)
    assert "+ " not in asked(tmp_path).err


def test_debug_prints_times_and_where_an_error_was_raised(tmp_path: Path) -> None:
    program = "import sys; from lppack.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "inspect", "nowhere.lpp"],
        env={**os.environ, "LPPACK_DEBUG": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4
    assert "raise EnvironmentMissing" in done.stderr
    assert done.stderr.splitlines()[-2].startswith("lppack: nowhere.lpp does not exist")
    quiet = lppack("inspect", "nowhere.lpp", env={"LPPACK_DEBUG": "0"})
    assert "raise" not in quiet.err


def test_q_prints_errors_and_results_alone(tmp_path: Path) -> None:
    new = tmp_path / "mine"
    assert "hint: try it" in lppack("new", new).err
    ran = lppack("new", "-q", tmp_path / "other")
    assert (ran.rc, ran.err) == (0, "")
    assert "manifest.yaml" in ran.out
    ran = lppack("-q", "inspect", "nowhere.lpp")
    assert "does not exist" in ran.err
    assert "hint: " in ran.err


def test_v_and_q_exclude_each_other() -> None:
    ran = lppack("-v", "validate", "-q", PATCH)
    assert (ran.rc, ran.out) == (2, "")
    assert "-v and -q conflict" in ran.err


def _leaves(group: click.Group, context: click.Context) -> list[click.Command]:
    found = [group.get_command(context, name) for name in group.list_commands(context)]
    return [
        leaf
        for one in found
        if one is not None
        for leaf in (_leaves(one, context) if isinstance(one, click.Group) else [one])
    ]


def test_every_command_takes_them_but_the_one_whose_words_are_anothers() -> None:
    leaves = _leaves(commands, click.Context(commands))
    assert len(leaves) > 20
    without = [one.name for one in leaves if "verbose" not in [p.name for p in one.params]]
    assert without == ["shell"]


def test_no_command_has_them_twice() -> None:
    command = click.Command("x")
    add_options(command)
    add_options(command)
    assert [p.name for p in command.params] == ["verbose", "quiet"]


@pytest.mark.parametrize(
    ("word", "secret"),
    [
        (PIN, "123456"),
        ("https://jo:s3cret@example.org/x", "s3cret"),
        ("--password=s3cret", "s3cret"),
        ("SIGN_PASSPHRASE=s3cret", "s3cret"),
        ("token=s3cret&a=b", "s3cret"),
    ],
)
def test_no_secret_is_logged_or_in_an_error(
    word: str, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("lppack").propagate = True
    with caplog.at_level(logging.DEBUG, logger="lppack"):
        done = proc.run(
            ["sh", "-c", "exit 3", word], limit=10, env={"PIN": "hidden"}, data=b"hidden too"
        )
    assert "exit code 3" in caplog.text
    for text in (caplog.text, done.summary()):
        assert "***" in text
        assert secret not in text
        assert "hidden" not in text
