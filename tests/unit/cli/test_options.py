# SPDX-License-Identifier: MIT
"""Options that several commands take."""

from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from lppack.cli.options import (
    ENGINE,
    MAX_STOP,
    MODE,
    ON,
    ON_WITH_HISTORY,
    SIMULATED,
    TIMEOUT,
    WAIT,
    Finite,
)
from lppack.consistency import AVAILABLE_ENGINES, ModeName


def run(*words: str, options: tuple[Any, ...] = (ON, SIMULATED, TIMEOUT, WAIT, MAX_STOP)) -> Result:
    def command(**given: object) -> None:
        click.echo(repr(sorted(given.items())))

    for option in options:
        command = option(command)
    return CliRunner().invoke(click.command()(command), list(words))


def test_unasked_it_is_this_machine() -> None:
    assert "('on', 'local')" in run().output


@pytest.mark.parametrize(
    "words", [["--engine", "simulated"], ["--on", "simulated", "--engine", "simulated"]]
)
def test_the_engine_in_memory_is_a_host_of_its_own(words: list[str]) -> None:
    assert "('on', 'simulated')" in run(*words).output
    assert "('on', 'simulated')" in run(*words[::-1][1::-1], *words[2:]).output or words[2:]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--on", "local", "--engine", "simulated"], "--engine simulated excludes --on"),
        (["--engine", "simulated", "--on", "guest:x"], "--engine simulated excludes --on"),
        (["--on", "a", "--on", "b"], "--on was given 2 times"),
        (["--timeout", "nan"], "--timeout"),
        (["--timeout", "0"], "--timeout"),
        (["--timeout", "inf"], "not a finite number"),
        (["--wait", "-1"], "--wait"),
        (["--max-stop", "0"], "--max-stop"),
        (["--max-stop", "101"], "--max-stop"),
        (["--max-stop", "1.5"], "--max-stop"),
        (["--engine", "livepatch"], "--engine"),
    ],
)
def test_what_is_refused(words: list[str], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_a_kernel_in_memory_has_no_history() -> None:
    done = run("--on", "simulated", options=(ON_WITH_HISTORY,))
    assert done.exit_code == 2 and "keeps no history" in done.output
    assert run("--on", "guest:x", options=(ON_WITH_HISTORY,)).exit_code == 0


def test_choices_are_those_that_there_are() -> None:
    for engine in ("auto", *(one.value for one in AVAILABLE_ENGINES)):
        assert run("--engine", engine, options=(ENGINE,)).exit_code == 0
    for mode in ModeName:
        assert run("--mode", mode.value, options=(MODE,)).exit_code == 0
    assert run("--engine", "kpatch", options=(ENGINE,)).exit_code == 2


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999", "x", ""])
def test_a_number_that_is_none(word: str) -> None:
    with pytest.raises(click.BadParameter):
        Finite().convert(word, None, None)
    assert Finite(min=0).convert("0", None, None) == 0.0
