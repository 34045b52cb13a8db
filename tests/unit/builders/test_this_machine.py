# SPDX-License-Identifier: MIT
"""The machine that lppack runs on."""

import os
import signal
import time
from pathlib import Path

import pytest

from lppack.builders.this_machine import ThisMachine
from lppack.errors import EnvironmentMissing

HERE = ThisMachine()


@pytest.mark.parametrize(
    "path", [None, "", "/nowhere", "/a::/b", ":/a", "/a:", ":", ".", "/a:.", "./"]
)
def test_no_program_of_the_current_folder_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    """doctor --fix starts what it finds, as root."""
    (tmp_path / "dockerd-of-a-stranger").write_text("#!/bin/sh\n")
    (tmp_path / "dockerd-of-a-stranger").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    if path is None:
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", path)
    assert HERE.which("dockerd-of-a-stranger") is None


def test_programs_for_root_are_found_by_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert str(HERE.which("ldconfig")).endswith("sbin/ldconfig")


def test_a_library_is_there_if_it_can_be_loaded() -> None:
    assert HERE.library("libc.so.6")
    assert not HERE.library("libdw-of-another-planet.so.1")


def test_files_and_their_use(tmp_path: Path) -> None:
    assert HERE.exists(str(tmp_path)) and HERE.usable(str(tmp_path))
    assert not HERE.exists(str(tmp_path / "none")) and not HERE.usable(str(tmp_path / "none"))


def test_room_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    there = HERE.free(tmp_path)
    assert there > 0
    assert abs(HERE.free(tmp_path / "not/yet/there") - there) < 1 << 30
    assert HERE.free(Path("relative/and/not/there")) > 0


def test_a_child_goes_on_by_itself_and_can_be_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid = HERE.spawn(["sh", "-c", "echo started; cd; exec sleep 60"], log)
    started = HERE.start_time(pid)
    assert started is not None
    assert os.getsid(pid) == pid, "Ctrl-C is not for it"
    for _ in range(500):
        if log.read_text():
            break
        time.sleep(0.01)
    assert log.read_text() == "started\n"
    HERE.kill(pid, signal.SIGKILL)
    for _ in range(500):
        if HERE.start_time(pid) is None:
            break
        time.sleep(0.01)
    assert HERE.start_time(pid) is None, "nor is it a zombie"
    HERE.kill(pid, signal.SIGKILL)  # of one that is gone is no error


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="'no-such-program' was not found"):
        HERE.spawn(["no-such-program"], tmp_path / "log")
