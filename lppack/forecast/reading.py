# SPDX-License-Identifier: MIT
"""Read lines of files from other tools, as hostile input, with limits."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lppack.errors import Level, ManifestError, Problem

LINE_MAX = 1 << 16
#: Maximum number of reported faults of one file; then reading stops.
FAULTS_MAX = 10


class Faults:
    """The faults of one file, with their lines."""

    def __init__(self, path: Path, rule: str) -> None:
        self._file, self._rule = str(path), rule
        self._problems: list[Problem] = []

    def add(self, line: int, message: str, hint: str | None = None, *, column: int = 1) -> None:
        """Add a fault. Raise ManifestError when the maximum number is reached."""
        self._problems.append(
            Problem(
                file=self._file,
                line=line,
                column=column,
                level=Level.ERROR,
                rule=self._rule,
                message=message,
                hint=hint,
            )
        )
        if len(self._problems) >= FAULTS_MAX:
            self.refuse()

    def refuse(self) -> None:
        """Raise ManifestError if anything was added."""
        if self._problems:
            raise ManifestError(self._problems)


def lines_of(path: Path, faults: Faults, *, size_max: int) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text without its end) of each line. Raise ManifestError.

    Text is UTF-8 and printable (tabs become blanks); carriage returns at ends are dropped.
    """
    try:
        # O_NONBLOCK: opening a pipe could wait without end.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                faults.add(1, "is not an ordinary file")
            elif state.st_size > size_max:
                faults.add(1, f"is larger than {size_max >> 20} MiB", "watch for a shorter time")
            faults.refuse()
            for number, raw in enumerate(iter(lambda: file.readline(LINE_MAX + 1), b""), 1):
                if len(raw) > LINE_MAX:
                    faults.add(number, f"is longer than {LINE_MAX >> 10} KiB")
                    faults.refuse()
                try:
                    text = raw.decode().rstrip("\r\n").replace("\t", " ")
                except UnicodeDecodeError as error:
                    faults.add(number, "is not UTF-8", column=error.start + 1)
                    continue
                if not text.isprintable():
                    where = next(i for i, c in enumerate(text) if not c.isprintable())
                    faults.add(number, f"holds {ascii(text[where])}", column=where + 1)
                    continue
                yield number, text
    except OSError as error:
        faults.add(1, f"cannot be read: {error.strerror}")
        faults.refuse()
