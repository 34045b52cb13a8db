# SPDX-License-Identifier: MIT
"""The protocol of the agent of a guest (templates/guest/agent.c)."""

import contextlib
import errno
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from lppack.clock import Deadline
from lppack.hosts import qemu

_MAGIC = 0x3141504C  # "LPA1"
_REQUEST = struct.Struct("<QIII")  # id, op, limit_ms, size; magic and crc precede it
_RESPONSE = struct.Struct("<IQII")  # magic, id, errno, size
#: Seconds until the next ping. One is enough (see parse() of the agent), unless data of an earlier
#: client damages it.
_PING_AGAIN = 1.0
#: Seconds between two checks of the console of a watched guest.
_GLANCE = 0.5


class Op(IntEnum):
    """The operations of the agent; enum op in agent.c."""

    PING = 0
    READ = 1
    WRITE = 2
    LIST = 3
    PUT = 4
    RUN = 5
    POWEROFF = 6


def frame(ident: int, op: Op, limit: float, data: bytes) -> bytes:
    """Return a request in the form in which it is sent."""
    covered = _REQUEST.pack(ident, op, min(int(limit * 1000), 2**32 - 1), len(data)) + data
    return struct.pack("<II", _MAGIC, zlib.crc32(covered)) + covered


class Connection:
    """One synchronised connection to the agent. Methods raise OSError."""

    def __init__(
        self,
        folder: Path,
        deadline: Deadline,
        gone: Callable[[], bool],
        glance: Callable[[], None],
    ) -> None:
        self._received = bytearray()
        self._glance = glance
        self._socket = self._connect(folder, deadline, gone)
        try:
            self._get_in_step(deadline, gone)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _connect(folder: Path, deadline: Deadline, gone: Callable[[], bool]) -> socket.socket:
        while True:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(max(deadline.left, 0.01))
            # unix(7): a path has at most 107 bytes; this path is short for any folder.
            at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                made.connect(f"/proc/self/fd/{at}/{qemu.SOCKET}")
                return made
            except (FileNotFoundError, ConnectionRefusedError):  # QEMU is starting, or has ended
                made.close()
                if deadline.expired or gone():
                    raise
            except BaseException:
                made.close()
                raise
            finally:
                os.close(at)
            deadline.pause(0.02)

    def _get_in_step(self, deadline: Deadline, gone: Callable[[], bool]) -> None:
        """Ping until the agent answers; discard answers to an earlier client."""
        while True:
            ident = random.getrandbits(64)
            pong = _RESPONSE.pack(_MAGIC, ident, 0, 0)
            self._send(frame(ident, Op.PING, 1, b""), deadline)
            again = Deadline(min(_PING_AGAIN, max(deadline.left, 0.01)), deadline.clock)
            with contextlib.suppress(TimeoutError):
                while (found := self._received.find(pong)) < 0:
                    self._receive(again)
                del self._received[: found + len(pong)]
                return
            if deadline.expired or gone():
                raise TimeoutError(errno.ETIMEDOUT, "no answer")

    def request(self, op: Op, data: bytes, limit: float, deadline: Deadline) -> tuple[int, bytes]:
        """Send a request; return its errno (0: success) and its answer.

        ``limit``: seconds that the guest may take.
        """
        ident = random.getrandbits(64)
        self._send(frame(ident, op, limit, data), deadline)
        while True:
            head = self._take(_RESPONSE.size, deadline)
            magic, answered, error, size = _RESPONSE.unpack(head)
            if magic != _MAGIC:
                raise ConnectionError(errno.EPROTO, "the agent's answer makes no sense")
            answer = self._take(size, deadline)
            if answered == ident:
                return error, answer

    def _send(self, data: bytes, deadline: Deadline) -> None:
        self._socket.settimeout(max(deadline.left, 0.01))
        self._socket.sendall(data)

    def _receive(self, deadline: Deadline) -> None:
        while True:
            if deadline.expired:
                raise TimeoutError(errno.ETIMEDOUT, "no answer")
            self._glance()
            self._socket.settimeout(min(_GLANCE, max(deadline.left, 0.01)))
            with contextlib.suppress(TimeoutError):
                data = self._socket.recv(1 << 18)
                break
        if not data:
            raise ConnectionError(errno.ECONNRESET, "QEMU has ended")
        self._received += data

    def _take(self, size: int, deadline: Deadline) -> bytes:
        while len(self._received) < size:
            self._receive(deadline)
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def close(self) -> None:
        self._socket.close()
