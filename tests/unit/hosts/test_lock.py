# SPDX-License-Identifier: MIT
"""Two operators on one host: the second learns who the first is."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lppack.errors import ApplyRefused
from lppack.hosts import lock
from lppack.hosts.lock import HostLock, user_name

_OTHER = """
import sys, time
from pathlib import Path
from lppack.hosts.lock import HostLock
with HostLock(Path(sys.argv[1]), "local").hold("lppack apply other.lpp"):
    print("held", flush=True)
    time.sleep(60)
"""


def other(path: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", _OTHER, str(path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)


def test_a_second_command_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    mine = HostLock(tmp_path / "run/lock", "local")
    process = other(tmp_path / "run/lock")
    try:
        with pytest.raises(ApplyRefused) as caught, mine.hold("lppack revert x"):
            pytest.fail("the lock was held")
        assert caught.value.reason == "host-in-use"
        for word in ("lppack apply other.lpp", f"pid {process.pid}", f"user {user_name()}"):
            assert word in caught.value.message
        assert f"kill {process.pid}" in (caught.value.hint or "")
        found = mine.holder()
        assert found is not None
        assert (found.pid, found.command) == (process.pid, "lppack apply other.lpp")
    finally:
        process.kill()
        process.communicate()


def test_the_lock_of_a_command_that_was_killed_is_free(tmp_path: Path) -> None:
    mine = HostLock(tmp_path / "lock", "local")
    process = other(tmp_path / "lock")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert mine.holder() is None, "its name in the file is not believed"
    with mine.hold("lppack revert x"):
        found = mine.holder()
        assert found is not None
        assert (found.pid, found.command) == (os.getpid(), "lppack revert x")
        assert found.since[:2] == time.strftime("%Y")[:2]
    assert mine.holder() is None


def test_a_command_may_wait_for_its_turn(tmp_path: Path) -> None:
    process = other(tmp_path / "lock")
    threading.Timer(0.5, process.kill).start()
    try:
        with HostLock(tmp_path / "lock", "local").hold("lppack revert x", wait=60):
            assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()
        process.communicate()


def test_a_holder_without_a_name(tmp_path: Path) -> None:
    mine = HostLock(tmp_path / "lock", "local")
    with mine.hold("lppack revert x"):
        dead = {"command": "lppack apply x", "pid": 1, "user": "root", "since": "long ago"}
        for text in ("{}", json.dumps(dead)):  # of a command that was killed before this one
            (tmp_path / "lock").write_text(text)
            named = mine.holder()
            assert named is not None
            assert (named.pid, named.user) == (os.getpid(), "not known")


@pytest.mark.parametrize(
    "said",
    [
        {"user": 7},
        {"since": ["long ago"]},
        {"machine": {}},
        {"lock_pid": "1"},
        {"pid": 10**400},
        {"more": 1},
        {"command": [[[[]]]]},
    ],
    ids=str,
)
def test_what_a_lock_says_is_not_trusted(tmp_path: Path, said: dict[str, object]) -> None:
    right = {"command": "lppack \x1b]0;x\x07", "pid": 7, "user": "\x9b2J", "since": "long ago"}
    named = HostLock._named(7, json.dumps(right))
    assert str(named) == "lppack \ufffd]0;x\ufffd (pid 7, user \ufffd2J, since long ago)"
    for text in (json.dumps(right | said), "[" * 200_000):
        named = HostLock._named(7, text)
        assert (named.pid, named.user) == (7, "not known")


def test_sudo_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    assert user_name() == "alice (sudo)"
