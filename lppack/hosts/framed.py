# SPDX-License-Identifier: MIT
"""Read one answer of a host over ssh, as hostile input: bounded in size, complete or refused."""

import re

from lppack.shape import printable

_NOISE = 1 << 16  # bytes that login scripts may print before an answer
_WINDOW = 256  # bytes: longer than any last line


class Nonsense(Exception):
    """The reply does not fit the request; the text says why."""


class Framed:
    """The bytes of one stream between its first and its last line; at most ``most`` are kept."""

    def __init__(self, number: str, most: int) -> None:
        self._begin = f"\n{number} begin\n".encode()
        self._end = re.compile(rf"\n{number} end(?: (\d{{1,3}}) ([0-9a-f-]{{36}}))?\n".encode())
        self._most = most
        self._begun = False
        self._window = bytearray()
        self._kept = bytearray()
        self.total = 0
        self.rc: int | None = None
        self.boot: str | None = None
        self.done = False

    def feed(self, data: bytes) -> None:
        """Process received bytes. Raise Nonsense."""
        if self.done:
            return  # output of a program that continues in the background
        self.total += len(data)
        self._window += data
        if not self._begun:
            at = self._window.find(self._begin)
            if at < 0:
                if len(self._window) > _NOISE:
                    raise Nonsense(f"{_NOISE} bytes came that are not an answer")
                return
            self._begun = True
            del self._window[: at + len(self._begin)]
        found = self._end.search(self._window)
        if found:
            self.done = True
            if found[1]:
                self.rc, self.boot = int(found[1]), found[2].decode()
            self._keep(found.start())
        else:
            self._keep(max(0, len(self._window) - _WINDOW))

    def _keep(self, count: int) -> None:
        self._kept += self._window[: min(count, max(0, self._most - len(self._kept)))]
        del self._window[:count]

    @property
    def cut(self) -> bool:
        """Return True if the output was truncated at the limit."""
        return len(self._kept) >= self._most

    @property
    def text(self) -> str:
        return plain(bytes(self._kept))


def plain(data: bytes) -> str:
    """Return the text without terminal control characters, except line ends and tabs."""
    return printable(data.decode(errors="replace"))
