# SPDX-License-Identifier: MIT
"""A stream for lines that may be dropped."""

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO


class Lossy(io.TextIOBase):
    """stderr for lines that may be dropped: a line that cannot be written is discarded.

    A reader that has exited (`2>&1 | head -1`), a closed terminal or a full disk must not end a
    command between two steps on a kernel. A reader that is stopped must not delay the command for
    long.
    """

    def __init__(self, patience: float | None = None) -> None:
        # Keep today's stderr: rich later replaces sys.stderr by a stream that writes to this
        # object.
        self._stream: TextIO | None = sys.stderr  # None: closed before the start (2>&-)
        self._patience = patience  # None: wait without a limit

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
        """Drop output that cannot be written, and everything after it."""
        try:
            yield
        except (OSError, ValueError):  # gone; closed
            with contextlib.suppress(OSError, ValueError):
                gone = self._stream.fileno() if self._stream is not None else -1
                os.dup2(os.open(os.devnull, os.O_WRONLY), gone)
