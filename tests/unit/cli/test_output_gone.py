# SPDX-License-Identifier: MIT
"""Output that nobody reads any more, and a terminal that is closed: no command stops half-way."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from lppack.cli.main import commands
from lppack.errors import ApplyRefused, Level
from lppack.model import Bundle
from lppack.rules.registry import HOST, Asked, RuleEntry
from lppack.rules.view import Refusal, View
from tests.kit.bundles import made
from tests.kit.command import check_shape, heed_ctrl_c, shell

pytestmark = pytest.mark.slow  # most of it waits

ON = "--engine simulated"


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return made(tmp_path / "in", tmp_path)


def status() -> str:
    return shell(f"$LPPACK status {ON}").stdout.splitlines()[0]


#: What becomes of stderr, and then the exit code of apply.
LOST = {
    "a reader of both that has gone": ("2>&1 | true", 141),
    "a reader of stderr alone": ("2> >(true)", 0),
    "a full disk": ("2> /dev/full", 0),
    "no stderr at all": ("2>&-", 0),
}


@pytest.mark.parametrize("case", LOST)
def test_apply_and_revert_go_on_to_their_end(bundle: Path, case: str) -> None:
    where, code = LOST[case]
    # So that the reader has gone when the first line comes.
    ran = shell(f"(sleep 0.5; exec $LPPACK apply {bundle} {ON}) {where}")
    assert ran.returncode == code, ran.stderr
    assert status() == "conn-limit 2 on simulated: patched"
    ran = shell(f"(sleep 0.5; exec $LPPACK revert conn-limit {ON}) {where}")
    assert ran.returncode == code, ran.stderr
    assert status() == "no live patch is on simulated"


def test_scripts_are_told_what_apply_warned_of(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the object on stdout, not only on stderr; of an error as well."""
    words = ["apply", str(bundle), *ON.split(), "--format", "json"]

    def warn(view: View, _bundle: Bundle) -> Iterator[Refusal]:
        yield Refusal("something looks odd", "look at it")

    odd = RuleEntry(rule=warn, level=Level.WARNING, asked=Asked.APPLY, sources=())
    errors = [entry for entry in HOST.entries() if entry.level is Level.ERROR]
    monkeypatch.setattr("lppack.stages.apply.HOST", SimpleNamespace(entries=lambda: [*errors, odd]))
    applied = CliRunner().invoke(commands, words)
    check_shape("patches", json.loads(applied.stdout))
    assert json.loads(applied.stdout)["warnings"] == ["something looks odd; look at it"]
    # Whether it is this very build cannot be told.
    monkeypatch.setattr("lppack.engines.simulated.Simulated.srcversion", lambda *_: None)
    again = CliRunner().invoke(commands, words)
    assert isinstance(again.exception, ApplyRefused)
    assert again.exception.reason == "already-applied"
    assert again.exception.report == {"warnings": []}, "a rule refused before anything was warned"


@pytest.mark.parametrize("where", ["2> /dev/full", "2>&-"])
def test_the_exit_code_of_an_error_that_cannot_be_printed_is_its_own(
    bundle: Path, where: str
) -> None:
    assert shell(f"$LPPACK convert conn-limit {ON} {where}").returncode == 6


def test_a_reader_that_is_stopped_holds_nothing_up(bundle: Path) -> None:
    """The pipe is full from the start, and nobody takes anything out of it."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(into, bytes(4096))
    os.set_blocking(into, True)
    words = [sys.executable, "-m", "lppack", "apply", str(bundle), *ON.split()]
    ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=into, timeout=30, check=False)
    os.close(out)
    os.close(into)
    assert ran.returncode == 0
    assert status() == "conn-limit 2 on simulated: patched"


def on_a_terminal(words: Sequence[str], *, closes_after: float | None = None) -> tuple[int, str]:
    """Run lppack with a terminal of its own: the exit code, and what it printed."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lppack", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(terminal)
    watchdog = threading.Timer(20.0, process.kill)
    watchdog.start()
    printed = b""
    try:
        if closes_after is None:
            with contextlib.suppress(OSError):  # EIO: the other side was closed
                while data := os.read(master, 4096):
                    printed += data
        else:
            time.sleep(closes_after)
            os.close(master)
        return process.wait(timeout=30), printed.decode()
    finally:
        watchdog.cancel()
        process.kill()


def test_progress_on_a_terminal(bundle: Path) -> None:
    code, printed = on_a_terminal(["apply", str(bundle), *ON.split()])
    assert code == 0
    assert "patch: loading lppack_conn_limit_2 on simulated" in printed
    assert "patched: every thread is in the new universe" in printed


@pytest.mark.parametrize("after", [0.0, 0.3])
def test_a_terminal_that_goes_without_a_signal(bundle: Path, after: float) -> None:
    """It is not the controlling terminal: there is no SIGHUP, only errors from then on."""
    code, _ = on_a_terminal(["apply", str(bundle), *ON.split()], closes_after=after)
    assert code == 0
    assert status() == "conn-limit 2 on simulated: patched"


#: apply in the middle, in a kernel that takes a second to be put back.
HALF_WAY = """
import signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from lppack import pipeline
from lppack.cli.main import main
from lppack.errors import Interrupted

def apply_bundle(path, on, *, say, **_others):
    say("patch: loading")
    try:
        Path(sys.argv[2] + ".begun").touch()
        time.sleep(3.0)
    except KeyboardInterrupt:
        say("interrupted: reversing")
        time.sleep(1.0)
        Path(sys.argv[2] + ".reversed").touch()
        raise Interrupted("interrupted: reversed") from None
    Path(sys.argv[2] + ".done").touch()

def revert_series(series, on, *, say, **_others):
    apply_bundle(series, on, say=say)
    raise Interrupted("done")  # in place of a report

pipeline.apply_bundle = apply_bundle
pipeline.revert_series = revert_series
sys.exit(main())
"""


@pytest.fixture
def half_way(bundle: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    verb, prepare = getattr(request, "param", ("apply", heed_ctrl_c))
    process = subprocess.Popen(
        [sys.executable, "-c", HALF_WAY, verb, str(bundle)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    end = time.monotonic() + 20
    while not Path(f"{bundle}.begun").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    "numbers",
    [
        [signal.SIGHUP],
        [signal.SIGHUP, signal.SIGHUP],
        [signal.SIGHUP, signal.SIGTERM],
        [signal.SIGTERM, signal.SIGHUP],
    ],
)
def test_a_terminal_that_is_closed_reverses_and_does_not_stop_that(
    half_way: "subprocess.Popen[str]", bundle: Path, numbers: list[signal.Signals]
) -> None:
    for number in numbers:
        half_way.send_signal(number)
        time.sleep(0.3)
    _, err = half_way.communicate(timeout=20)
    assert half_way.returncode == 130, err
    assert Path(f"{bundle}.reversed").exists()


def test_a_second_ctrl_c_does(half_way: "subprocess.Popen[str]", bundle: Path) -> None:
    for _ in range(2):
        half_way.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, err = half_way.communicate(timeout=20)
    assert half_way.returncode == 130
    assert "see: lppack status --on local" in err
    assert not Path(f"{bundle}.reversed").exists()


def _nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize("half_way", [("apply", _nohup)], indirect=True)
def test_nohup_is_heeded(half_way: "subprocess.Popen[str]", bundle: Path) -> None:
    half_way.send_signal(signal.SIGHUP)
    _, err = half_way.communicate(timeout=20)
    assert half_way.returncode == 0, err
    assert Path(f"{bundle}.done").exists()


@pytest.mark.parametrize("half_way", [("revert", heed_ctrl_c)], indirect=True)
def test_revert_goes_on_without_its_terminal(
    half_way: "subprocess.Popen[str]", bundle: Path
) -> None:
    """To stop would leave the kernel half-way: it goes on in any case."""
    half_way.send_signal(signal.SIGHUP)
    _, err = half_way.communicate(timeout=20)
    assert "lppack: done" in err
    assert Path(f"{bundle}.done").exists()
