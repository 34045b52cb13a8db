# SPDX-License-Identifier: MIT
"""A guest under QEMU as a host: sends requests to its agent (templates/guest/agent.c)."""

import contextlib
import errno
import fcntl
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from lppack import proc
from lppack.clock import Deadline
from lppack.errors import HostError, LostHost
from lppack.hosts import console, qemu
from lppack.hosts.framed import plain
from lppack.hosts.guest_protocol import Connection, Op
from lppack.hosts.lock import HostLock
from lppack.hosts.protocol import Ran
from lppack.model import Kernel
from lppack.store import lock_holder

_CHUNK = 1 << 20  # bytes of a part of put(); the agent accepts 4 MiB
_PUT_FIRST, _PUT_LAST = 1, 2

#: Seconds that the answer may take beyond the request's own limit: a guest under TCG is slow.
_GRACE = 10.0
#: Seconds to wait for another command's request; then EBUSY, and no request is sent.
_TURN = 60.0
#: Seconds that a command may continue after a fault of its kernel.
_AFTER_FAULT = 5.0


class GuestHost:
    """A guest in ``folder``. With ``lock``, other commands use it, too: one connection per
    request."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        lock: Path | None = None,
        gone: Callable[[], bool] = lambda: False,
        limit: float = 30.0,
    ) -> None:
        self.name = name
        self.limit = limit  # seconds for each read, write, list and part of a put
        self._folder = folder
        self._lock = lock
        self._gone = gone
        self._connection: Connection | None = None
        self._known: int | None = (
            None  # length of the console when watch() was called; None: not watched
        )
        self._fault: Deadline | None = None

    def watch(self) -> None:
        """From now on, end a request soon after the kernel has reported a fault.

        The fault may have killed the thread for which the request waits.
        """
        self._known = len(self._said())

    @property
    def new_faults(self) -> tuple[str, ...]:
        """Return the faults that the kernel has reported since watch()."""
        return () if self._known is None else console.faults(self._said()[self._known :])

    def _glance(self) -> None:
        if self._fault is None and self.new_faults:
            self._fault = Deadline(_AFTER_FAULT)
        if self._fault is not None and self._fault.expired:
            raise ConnectionAbortedError(errno.ECONNABORTED, "a fault, and no answer")

    @property
    def lock(self) -> HostLock | None:
        # A process without access to this folder cannot reach the guest.
        return HostLock(self._folder / "operate.lock", self.name) if self._lock else None

    @property
    def console(self) -> Path:
        """Return the file with all output of the kernel since it started."""
        return self._folder / qemu.CONSOLE

    def faults(self) -> tuple[str, ...]:
        """Return the faults that the kernel has reported so far; see console.py."""
        return console.faults(self._said())

    def _said(self) -> str:
        with contextlib.suppress(OSError):
            return self.console.read_text(errors="replace")
        return ""

    def read(self, path: str) -> str:
        return plain(self._ask(Op.READ, path, path.encode() + b"\0"))

    def write(self, path: str, text: str) -> None:
        """Write in a single write(2), after truncation; ENOENT if there is no such file."""
        self._ask(Op.WRITE, path, path.encode() + b"\0" + text.encode())

    def list(self, path: str) -> tuple[str, ...]:
        names = self._ask(Op.LIST, path, path.encode() + b"\0").decode(errors="replace")
        return tuple(sorted(names.split("\0")[:-1]))

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        flags = _PUT_FIRST
        with source.open("rb") as file:
            data = file.read(_CHUNK)
            while True:
                following = file.read(_CHUNK)
                flags |= 0 if following else _PUT_LAST
                head = struct.pack("<II", mode, flags) + path.encode() + b"\0"
                self._ask(Op.PUT, path, head + data)
                if not following:
                    return
                data, flags = following, 0

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        """Run a program. Raise HostError (ENOENT, EACCES...) if it cannot be started.

        Return when the program ends, even if its children still have its output open; they get
        SIGPIPE when they print. Each output is truncated at 4 MiB.
        """
        words = b"".join(word.encode() + b"\0" for word in argv)
        answer = self._ask(Op.RUN, argv[0], words, limit=limit)
        rc, size = struct.unpack_from("<iI", answer)
        out, err = answer[8 : 8 + size], answer[8 + size :]
        return Ran(rc=rc, out=out.decode(errors="replace"), err=err.decode(errors="replace"))

    def ping(self, *, limit: float = 10.0) -> None:
        """Wait until the guest answers."""
        self._ask(Op.PING, self.name, b"", limit=limit)

    def power_off(self) -> None:
        self._ask(Op.POWEROFF, self.name, b"")

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _ask(self, op: Op, path: str, data: bytes, *, limit: float | None = None) -> bytes:
        limit = self.limit if limit is None else limit
        deadline = Deadline(limit + _GRACE)
        try:
            with self._turn():
                deadline = Deadline(limit + _GRACE)
                if not self._connection:
                    self._connection = Connection(self._folder, deadline, self._gone, self._glance)
                error, answer = self._connection.request(op, data, limit, deadline)
        except OSError as problem:
            self.close()
            raise self._lost(problem, deadline) from problem
        except BaseException:  # after Ctrl-C the answer is still to come
            self.close()
            raise
        if error:
            raise HostError(path, error)
        return answer

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Lock the guest for this process, if other processes may use it, too.

        Waiters queue on a second lock, whose holder is the next to take the first. So a command
        with many requests cannot starve the others.
        """
        if not self._lock:
            yield
            return
        deadline = Deadline(_TURN)
        with self._lock.open("a") as mine:
            with self._lock.with_suffix(".next").open("a") as following:
                self._take(following, deadline)
                self._take(mine, deadline)
            try:
                yield
            finally:
                self.close()

    def _take(self, file: IO[str], deadline: Deadline) -> None:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if deadline.expired:
                    raise self._busy() from None
            deadline.pause(0.01)

    def _busy(self) -> HostError:
        pid = lock_holder(self._lock) if self._lock else None
        holder = f"another command (pid {pid})" if pid else "another command"
        return HostError(
            self.name,
            errno.EBUSY,
            f"{self.name} is in use: {holder} has held it for {_TURN:.0f} s; no request was sent",
            hint=f"look at it, and wait for it or end it: ps -p {pid}" if pid else None,
        )

    def _begin_anew(self) -> str | None:
        """Return the hint for a lost guest; None if it runs only for this command."""
        if not self._lock:
            return None
        name = self.name.removeprefix("guest:")
        return f"stop what is left, and start another: lppack guest stop {name}"

    def _lost(self, problem: OSError, deadline: Deadline) -> LostHost:
        if isinstance(problem, TimeoutError):
            why = f"no answer in {deadline.limit:.0f} s"
        elif isinstance(problem, ConnectionAbortedError):
            why = f"its kernel reported a fault, and has not answered in {_AFTER_FAULT:.0f} s since"
        elif isinstance(problem, FileNotFoundError | ConnectionError):
            why = "QEMU has ended"
        else:
            why = str(problem)
        log = self._folder / qemu.LOG
        words = log.read_text(errors="replace") if log.is_file() else ""
        found = self.faults()
        return LostHost(
            f"{self.name} is lost: {why}\n"
            + (f"{console.tail(found[-1])}\n  ...\n" if found else "")
            + f"{console.tail(words + self._said(), lines=8)}\n"
            + f"  console: {self.console}",
            hint=self._begin_anew(),
            file=str(self.console),
        )


@contextlib.contextmanager
def boot(
    kernel: Kernel,
    *,
    work: Path,
    initramfs: Path,
    cmdline: Sequence[str] = (),
    memory_mb: int = 512,
    counted: bool = False,
    skips: bool = False,
    disk: Path | None = None,
    limit: float = 120.0,
    keep: bool = False,
) -> Iterator[GuestHost]:
    """Boot a guest in the directory ``work`` within ``limit`` seconds; stop it after the block.

    ``work`` keeps the console. It also keeps QEMU's output and its command line if the block
    raises, if the kernel reported a fault, or with ``keep``.
    """
    work.mkdir(parents=True, exist_ok=True)
    for name in (qemu.CONSOLE, qemu.SOCKET):  # of an earlier guest in the same directory
        (work / name).unlink(missing_ok=True)
    machine = qemu.machine(
        kernel,
        initramfs,
        cmdline=cmdline,
        memory_mb=memory_mb,
        counted=counted,
        skips=skips,
        disk=disk,
    )
    process = qemu.launch(machine, work)
    host = GuestHost("guest", work, gone=lambda: process.poll() is not None)
    try:
        host.ping(limit=limit)
        yield host
    finally:
        host.close()
        proc.kill_group(process.pid)
        process.wait()
        (work / qemu.SOCKET).unlink(missing_ok=True)
    if not keep and not host.faults():
        for name in (qemu.LOG, qemu.COMMAND):
            (work / name).unlink(missing_ok=True)
