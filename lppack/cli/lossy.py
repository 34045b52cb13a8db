# SPDX-License-Identifier: MIT
"""A stream for lines that nothing may depend on."""

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO


class Lossy(io.TextIOBase):
    """stderr, for lines that nothing may depend on: what cannot be written is dropped.

    A reader that has gone (`2>&1 | head -1`), a terminal that was closed, a full disk: they must
    not end a command between two steps on a kernel. One that is stopped must not stop it for long.
    """

    def __init__(self, patience: float | None = None) -> None:
        # As it is now: rich puts a stream of its own in its place, which writes to this one.
        self._stream: TextIO | None = sys.stderr  # None: closed before the start (2>&-)
        self._patience = patience  # None: as long as it takes

    def write(self, text: str) -> int:
        with self._silent_if_gone():
            if self._stream is not None and self._is_writable(self._stream):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._silent_if_gone():
            if self._stream is not None and self._is_writable(self._stream):
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding if self._stream is not None else "utf-8"

    def _is_writable(self, stream: TextIO) -> bool:
        if self._patience is None:
            return True
        waits = select.poll()
        waits.register(stream.fileno(), select.POLLOUT)
        return bool(waits.poll(self._patience * 1000))

    @contextlib.contextmanager
    def _silent_if_gone(self) -> Iterator[None]:
        """Drop what cannot be written, and from then on everything."""
        try:
            yield
        except (OSError, ValueError):  # gone; closed
            with contextlib.suppress(OSError, ValueError):
                gone = self._stream.fileno() if self._stream is not None else -1
                os.dup2(os.open(os.devnull, os.O_WRONLY), gone)
