# SPDX-License-Identifier: MIT
"""A stream for lines that nothing may depend on."""

import io
import os
import sys
from pathlib import Path

import pytest

from lppack.cli.lossy import Lossy


def stream(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", path.open("w", buffering=1))


def test_what_can_be_written_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream(tmp_path / "x", monkeypatch)
    made = Lossy()
    assert made.write("hello\n") == 6
    made.flush()
    assert (tmp_path / "x").read_text() == "hello\n"
    assert not made.isatty()
    assert made.encoding.lower() == "utf-8"


def test_a_disk_that_is_full_ends_nothing_and_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115 (it becomes stderr)
    monkeypatch.setattr(sys, "stderr", full)
    made = Lossy()
    assert made.write("lost\n") == 5
    made.flush()
    assert str(Path(f"/proc/self/fd/{full.fileno()}").readlink()) == os.devnull, "from then on"
    assert made.write("lost too\n") == 9


def test_a_reader_that_has_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = os.pipe()
    os.close(here)
    monkeypatch.setattr(sys, "stderr", os.fdopen(there, "w", buffering=1))
    made = Lossy()
    for _ in range(3):
        assert made.write("lost\n") == 5
    made.flush()


def test_a_reader_that_is_stopped_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = os.pipe()
    os.set_blocking(there, False)
    try:
        while True:
            os.write(there, bytes(4096))
    except BlockingIOError:
        os.set_blocking(there, True)
    monkeypatch.setattr(sys, "stderr", os.fdopen(there, "w", buffering=1))
    assert Lossy(0.01).write("dropped\n") == 8
    os.close(here)


@pytest.mark.parametrize("closed", [None, "closed"])
def test_a_stream_that_was_closed_is_none(
    closed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr(sys, "stderr", gone if closed else None)
    made = Lossy()
    assert made.write("lost\n") == 5
    made.flush()
    assert closed or (made.encoding, made.isatty()) == ("utf-8", False)
