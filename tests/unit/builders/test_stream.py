# SPDX-License-Identifier: MIT
import threading
import time
from collections.abc import Iterator

import pytest

from lppack.builders import stream
from lppack.clock import Deadline


def test_lines_are_put_together_again() -> None:
    chunks = [b"on", b"e\ntwo\r\nth", "rée".encode()[:2], "rée".encode()[2:], b"\n\nlast"]
    assert list(stream.lines(chunks)) == ["one", "two", "thrée", "", "last"]


def test_bytes_that_are_no_text_do_not_stop_the_log() -> None:
    assert list(stream.lines([b"\xff\n"])) == ["\ufffd"]


def test_a_silent_source_ends_at_the_deadline() -> None:
    hold = threading.Event()

    def silent() -> Iterator[int]:
        yield 1
        hold.wait(30)

    seen = []
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        for item in stream.until(Deadline(0.2), silent()):
            seen.append(item)
    hold.set()
    assert seen == [1]
    assert time.monotonic() - start < 10


def test_a_chatty_source_ends_at_the_deadline_too() -> None:
    stop = threading.Event()

    def chatty() -> Iterator[int]:
        while not stop.wait(0.01):
            yield 1

    with pytest.raises(TimeoutError):
        for _ in stream.until(Deadline(0.2), chatty()):
            pass
    stop.set()


def test_an_error_of_the_source_is_raised_here() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(stream.until(Deadline(10), broken()))
