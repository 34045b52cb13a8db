# SPDX-License-Identifier: MIT
"""A host over ssh. lppack installs nothing there, and does not trust its answers."""

import base64
import contextlib
import errno
import json
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from lppack import proc, store
from lppack.errors import ApplyRefused, EnvironmentMissing, HostError, LostHost
from lppack.hosts import far_side, framed
from lppack.hosts.address import Address
from lppack.hosts.lock import PATH, HostLock, LockHolder, user_name, utc_now
from lppack.hosts.protocol import TIMED_OUT, Ran
from lppack.hosts.ssh_client import Client, Reply

_GRACE = 20.0  # seconds for an answer, beyond its request's limit; ssh detects a dead host in 15
_FILE, _OUTPUT = 64 << 20, 4 << 20  # bytes, the limits of the agent of a guest
_CUT = "\n[output cut here]\n"
_NAMES = 10_000  # in one folder: /sys/module of a large machine has 500
_TEXT = 4096  # bytes of one write(2): the page of a sysfs attribute, an atomic write to a pipe
_SMALL, _LINE = 16 << 10, 32 << 10  # bytes: a file that fits into a line, and a line
_KILLED = 128 + 9
_BEAT = 10.0  # seconds between two lines to the lock's process, which waits for 60


class SshHost:
    """A Host over one connection, which is never opened again."""

    def __init__(self, name: str, client: Client, *, limit: float = 30.0) -> None:
        self.name = name
        self.limit = limit  # seconds for each read, write, list and put
        self._client = client
        self._boot: str | None = None
        self._lost: LostHost | None = None
        self._sudo = False
        self.held: subprocess.Popen[bytes] | None = None  # the process that holds the lock

    def hello(self, *, root: bool = True) -> None:
        """Check that the far side can be used. Raise EnvironmentMissing, LostHost."""
        said = self.run(["sh", "-c", far_side.HELLO], limit=self.limit).out.split("\n")
        if len(said) < 3 or not said[0].isdecimal() or said[1] != "Linux":
            raise EnvironmentMissing(
                f"{self.name} has no POSIX shell on Linux", hint=f"see: {self._client.by_hand()}"
            )
        if lacking := said[2].split():
            raise EnvironmentMissing(
                f"{self.name} lacks programs: {', '.join(lacking)[:200]}",
                hint="install coreutils and util-linux there",
            )
        if root and said[0] != "0":
            if self.run(["sudo", "-n", "true"], limit=self.limit).rc != 0:
                raise EnvironmentMissing(
                    f"only root can change live patches on {self.name}",
                    hint="name root, as in ssh:root@HOST, or allow that user sudo without a "
                    "password",
                )
            self._sudo = True
            self._client.begin_anew()

    @property
    def lock(self) -> HostLock:
        return SshLock(self)

    def read(self, path: str) -> str:
        reply = self._file(path, ["cat", "--", path], most=_FILE)
        if reply.cut:
            raise HostError(path, errno.EFBIG)
        return reply.out

    def write(self, path: str, text: str) -> None:
        """Write in a single write(2), after truncation; ENOENT if there is no such file."""
        if len(text.encode()) > _TEXT:
            raise HostError(path, errno.E2BIG)
        self._file(path, ["sh", "-c", far_side.WRITE, "sh", path, text])

    def list(self, path: str) -> tuple[str, ...]:
        # The slash makes a file fail with ENOTDIR.
        names = self._file(path, ["ls", "-A", "--", f"{path}/"]).out.split("\n")[:-1]
        if len(names) > _NAMES:
            raise HostError(path, errno.EFBIG, f"{path}: more than {_NAMES} names")
        return tuple(sorted(names))

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        try:
            file = source.open("rb")
        except OSError as error:
            raise HostError(path, error.errno or errno.EIO) from None
        with file:
            size = os.fstat(file.fileno()).st_size
            about = ["sh", path, str(size), f"{mode:o}"]
            if size <= _SMALL:
                data = base64.b64encode(file.read()).decode()
                self._file(path, ["sh", "-c", far_side.PUT_SMALL, *about, data])
            else:
                self._file(path, ["sh", "-c", far_side.PUT, *about], data=file)

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        """Run a program. Each output is truncated at 4 MiB. Background processes of it continue."""
        start = time.monotonic()
        reply = self._ask(argv, limit=limit)
        late = reply.rc == _KILLED and time.monotonic() - start >= limit
        return Ran(
            rc=TIMED_OUT if late else reply.rc,
            out=_cut(reply.out, reply.cut),
            err=_cut(reply.err, reply.err_cut),
        )

    def _file(
        self,
        path: str,
        argv: Sequence[str],
        *,
        most: int = _OUTPUT,
        data: IO[bytes] | None = None,
    ) -> Reply:
        """Run a file operation. Raise HostError with the errno of the far side's program."""
        if "\0" in path:
            raise HostError(path, errno.EINVAL)
        reply = self._ask(argv, limit=self.limit, most=most, data=data)
        if reply.rc == 0:
            return reply
        if reply.rc in (TIMED_OUT, _KILLED):
            raise HostError(path, errno.ETIMEDOUT)
        if (number := far_side.errno_of(reply.err)) is not None:
            raise HostError(path, number)
        last = (reply.err.strip().splitlines() or [f"exit code {reply.rc}"])[-1]
        raise HostError(path, errno.EIO, f"{path}: {last[:200]}")

    def _ask(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        most: int = _OUTPUT,
        data: IO[bytes] | None = None,
    ) -> Reply:
        if self._lost is not None:
            raise self._lost
        number, start = secrets.token_hex(16), time.monotonic()
        line = far_side.request(number, limit, argv)
        bounds: dict[str, Any] = {"sudo": self._sudo, "limit": limit + _GRACE, "most": most}
        try:
            self._check_lock()
            if data is None and len(line) <= _LINE:
                reply = self._client.ask(line, number, **bounds)
            else:
                with data or open(os.devnull, "rb") as stdin:  # noqa: PTH123
                    reply = self._client.send(line, number, stdin, **bounds)
            self._boot = self._boot or reply.boot
            if reply.boot != self._boot:
                raise framed.Nonsense("it was rebooted, or another host answers in its place")
        except (OSError, framed.Nonsense) as problem:
            raise self._gone(str(problem)) from problem
        seconds = time.monotonic() - start
        proc.log("%s: %s: code %d, %.2f s", self.name, proc.shown(argv), reply.rc, seconds)
        return reply

    def _check_lock(self) -> None:
        if self.held is not None and self.held.poll() is not None:
            raise ConnectionError("the process that held its lock there has ended")

    def _gone(self, why: str) -> LostHost:
        said = f"\n  ssh: {self._client.said}" if self._client.said else ""
        self._lost = LostHost(
            f"{self.name} is lost: {why}{said}",
            hint="its kernel goes on by itself; when the host answers again, see what became of "
            f"it: lppack status --on {self.name}",
        )
        return self._lost

    @contextlib.contextmanager
    def hold(self, holder: LockHolder) -> Iterator[bool]:
        """Hold the lock of the host during the block; yield False if another command holds it."""
        number = secrets.token_hex(16)
        # Only the far side knows the pid of the lock's process, and appends it.
        known = {key: value for key, value in asdict(holder).items() if key != "lock_pid"}
        head = json.dumps(known).removesuffix("}") + ', "lock_pid": '
        line = far_side.hold(number, str(PATH), head, sudo=self._sudo)
        with self._client.session(line, stdin=subprocess.PIPE) as child:
            if not self._taken(child, number):
                yield False
                return
            over = threading.Event()
            beat = threading.Thread(target=_beat, args=(child, over), daemon=True)
            beat.start()
            self.held = child
            try:
                yield True
            finally:
                self.held = None
                over.set()
                beat.join()
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    assert child.stdin
                    child.stdin.close()
                    child.wait(timeout=5.0)

    def _taken(self, child: "subprocess.Popen[bytes]", number: str) -> bool:
        """Wait for the line of the lock's process; return False if it ends without one."""
        assert child.stdout and child.stderr
        wanted, came = f"\n{number} begin\n".encode(), b""
        with _alarm(child, self.limit):
            while wanted not in came:
                data = os.read(child.stdout.fileno(), 4096)
                came += data
                if not data or len(came) > 1 << 16:
                    break
            if wanted in came:
                return True
            child.wait()
        said = os.read(child.stderr.fileno(), 4096).decode(errors="replace")
        if (found := far_side.errno_of(said)) is not None:
            raise ApplyRefused(
                f"the lock of {self.name} cannot be taken, and nothing was done: "
                f"{PATH}: {os.strerror(found)}",
                hint=f"look at the file system of {PATH.parent} there: df {PATH.parent}; mount",
                reason="no-lock",
            )
        if child.returncode == 1:  # flock(1): another process holds the lock
            return False
        last = (framed.plain(said.encode()).strip().splitlines() or ["no answer"])[-1]
        raise self._gone(f"its lock was not taken: {last[:200]}")


class SshLock(HostLock):
    """The lock of a host over ssh; the same as that of lppack on the host itself."""

    def __init__(self, host: SshHost) -> None:
        super().__init__(PATH, host.name)
        self._at = host

    @contextlib.contextmanager
    def hold(self, command: str, *, wait: float = 0.0) -> Iterator[None]:
        me = LockHolder(
            command=command,
            pid=os.getpid(),
            user=user_name(),
            since=utc_now(),
            machine=socket.gethostname(),
        )
        end = time.monotonic() + max(wait, 1.0)
        while True:
            with self._at.hold(me) as taken:
                if taken:
                    yield
                    return
            if time.monotonic() >= end:
                raise self._refusal()
            time.sleep(0.2)

    def holder(self) -> LockHolder | None:
        where = self._at.run(["stat", "-c", "%d %i", str(PATH)], limit=self._at.limit)
        try:
            device, inode = map(int, where.out.split())
            pid = store.holder_in(self._at.read("/proc/locks"), device, inode)
            return None if pid is None else self._named(pid, self._at.read(str(PATH)))
        except (ValueError, HostError):
            return None


def _cut(text: str, cut: bool) -> str:
    return text[: -len(_CUT)] + _CUT if cut else text


def _beat(child: "subprocess.Popen[bytes]", over: threading.Event) -> None:
    assert child.stdin
    with contextlib.suppress(OSError, ValueError):
        while not over.wait(_BEAT):
            child.stdin.write(b"here\n")
            child.stdin.flush()


@contextlib.contextmanager
def _alarm(child: "subprocess.Popen[bytes]", limit: float) -> Iterator[None]:
    """Kill a session that does not answer within ``limit`` seconds."""
    timer = threading.Timer(limit, child.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def connect(text: str, *, root: bool = True) -> Iterator[SshHost]:
    """Return the host at ``text``: [user@]host[:port]. Raise EnvironmentMissing."""
    address = Address.parse(text)
    with store.scratch() as folder:
        client = Client(address, folder)
        try:
            client.connect()
            host = SshHost(f"ssh:{text}", client)
            host.hello(root=root)
            yield host
        finally:
            client.close()
