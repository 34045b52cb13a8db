# SPDX-License-Identifier: MIT
"""This machine as a host."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from lppack import proc
from lppack.errors import EnvironmentMissing, HostError
from lppack.hosts.lock import PATH, HostLock
from lppack.hosts.protocol import TIMED_OUT, Ran
from lppack.shape import printable
from lppack.store import write_atomic


class LocalHost:
    """Plain files and programs; implements Host."""

    name = "local"

    @property
    def lock(self) -> HostLock:
        return HostLock(PATH, self.name)

    def read(self, path: str) -> str:
        try:
            return printable(Path(path).read_text(errors="replace"))
        except OSError as error:
            raise HostError(path, error.errno or errno.EIO) from None

    def write(self, path: str, text: str) -> None:
        # One write(2): sysfs takes a whole value, and the result of this call is its answer.
        try:
            handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
            try:
                os.write(handle, text.encode())
            finally:
                os.close(handle)
        except OSError as error:
            raise HostError(path, error.errno or errno.EIO) from None

    def list(self, path: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(path)))  # noqa: PTH208 (names, not paths)
        except OSError as error:
            raise HostError(path, error.errno or errno.EIO) from None

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        try:
            # The journal and the boot guard must survive a crash.
            write_atomic(Path(path), source.read_bytes(), durable=True)
            Path(path).chmod(mode)
        except OSError as error:
            raise HostError(path, error.errno or errno.EIO) from None

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        try:
            done = proc.run(argv, limit=limit)
        except EnvironmentMissing as error:  # as a shell and the agent of a guest report it
            return Ran(rc=127, out="", err=error.message)
        rc = TIMED_OUT if done.timed_out else done.rc if done.rc >= 0 else 128 - done.rc
        return Ran(rc=rc, out=printable(done.out), err=printable(done.err))
