# SPDX-License-Identifier: MIT
"""The command line as a whole: output that cannot be written, early interrupts, one kernel."""

import errno
import os
import signal
from pathlib import Path

import click
import pytest

from lppack.cli import main
from lppack.cli.main import commands
from lppack.cli.options import Finite
from lppack.cli.setup import _STORY
from lppack.model import StepName
from tests.kit.command import EXAMPLES, lppack, shell

PROC = EXAMPLES / "proc-cmdline"


#: Words whose answer is printed, one that is an error, which JSON prints on stdout too.
ANSWERS = (f"simulate {PROC} --compare", "simulate nowhere --format json")


@pytest.mark.parametrize("words", ANSWERS)
def test_a_reader_that_has_seen_enough_is_no_bug(words: str) -> None:
    ran = shell(f"$LPPACK {words} | true")
    assert (ran.returncode, ran.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("words", ANSWERS)
def test_a_full_disk_behind_the_output_is_said(words: str) -> None:
    ran = shell(f"$LPPACK {words} > /dev/full")
    assert ran.returncode == 1
    assert "cannot be written: No space left on device" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("module", ["click", "lppack.errors", "lppack.cli.simulate"])
def test_ctrl_c_while_it_starts_is_no_traceback(module: str, tmp_path: Path) -> None:
    """A module that is imported on the way sends the signal, as a hasty person would."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Hasty:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            sys.meta_path.remove(self)\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Hasty())\n"
    )
    ran = shell(f"$LPPACK simulate {PROC}", PYTHONPATH=f"{tmp_path}:{Path.cwd()}")
    assert ran.returncode == 130, ran.stderr
    assert "interrupted" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "words",
    [["--engine", "simulated", "--on", "local"], ["--on", "local", "--engine", "simulated"]],
)
def test_the_kernel_in_memory_is_never_taken_for_this_one(words: list[str]) -> None:
    ran = lppack("status", *words)
    assert ran.rc == 2
    assert "--engine simulated excludes --on" in ran.err


def test_both_words_for_the_kernel_in_memory(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    for words in (["--engine", "simulated"], ["--on", "simulated"]):
        assert "is on simulated" in lppack("status", *words, env=state).out
    both = lppack("status", "--engine", "simulated", "--on", "simulated", env=state)
    assert "is on simulated" in both.out


@pytest.mark.parametrize("verb", ["apply x.lpp", "convert x", "revert x", "status"])
def test_a_second_host_is_not_dropped_in_silence(verb: str) -> None:
    ran = lppack(*verb.split(), "--on", "guest:ops", "--on", "simulated")
    assert ran.rc == 2
    assert "--on was given 2 times: name one host" in ran.err
    assert "collection lppack.livepatch (docs/fleet.md)" in ran.err


@pytest.mark.parametrize("word", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_refused(word: str) -> None:
    ran = lppack("revert", "x", "--on", "simulated", "--timeout", word)
    assert ran.rc == 2, ran.out
    assert "--timeout" in ran.err


def test_every_number_of_a_command_is_a_finite_one() -> None:
    context = click.Context(commands)
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None
        for of in (command, *getattr(command, "commands", {}).values()):
            numbers = [
                one.type for one in of.params if isinstance(one.type, click.types.FloatParamType)
            ]
            assert all(isinstance(one, Finite) for one in numbers), name


def test_the_demo_has_words_for_every_step() -> None:
    assert set(_STORY) == set(StepName)


@pytest.mark.parametrize(
    ("words", "number", "code"),
    [
        (["build", "x"], errno.ENOSPC, 4),
        (["new", "x"], errno.EACCES, 4),
        (["apply", "x"], errno.EROFS, 1),
    ],
)
def test_what_the_machine_refuses_is_no_traceback(
    words: list[str],
    number: int,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused() -> int:
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr("lppack.cli.main._run", refused)
    monkeypatch.setattr("sys.argv", ["lppack", *words])
    assert main.main() == code
    said = capsys.readouterr().err
    assert f"lppack: /some/file: {os.strerror(number)}\n  hint: " in said
    assert ("lppack status" in said) == (code == 1)


def test_a_file_that_is_missing_all_the_same_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise FileNotFoundError(errno.ENOENT, "none", "/some/file")

    monkeypatch.setattr("lppack.cli.main._run", refused)
    with pytest.raises(FileNotFoundError):
        main.main()


@pytest.mark.parametrize("words", ["new file/sub", "build {patch} -o file/sub"])
def test_a_folder_below_a_file_is_refused(words: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ran = lppack(*words.format(patch=PROC).split(), cwd=tmp_path)
    assert ran.rc == 4
    assert "/file is a file\n  hint: give another folder\n" in ran.err
