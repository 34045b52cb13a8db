# SPDX-License-Identifier: MIT
"""The system's ssh: one connection for all requests of a command."""

import contextlib
import os
import selectors
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lppack import proc
from lppack.clock import Deadline
from lppack.errors import EnvironmentMissing
from lppack.hosts import far_side
from lppack.hosts.address import Address
from lppack.hosts.framed import Framed, Nonsense, plain

PROGRAM = "ssh"
_CONNECT = 30.0  # seconds until the connection is established
_SAID = 4096  # bytes of ssh's own messages to keep
#: Where ssh finds the keys of its agent, and the tickets of Kerberos (GSSAPI).
_PASSED = ("SSH_AUTH_SOCK", "KRB5CCNAME", "KRB5_CONFIG")
#: Bytes of an answer to read; the rest is ignored.
_FLOOD = 256 << 20

# ssh uses the first value that it finds, so these options override its files. ssh asks no question,
# the host must be in known_hosts, and the connection forwards nothing.
_OPTIONS = (
    *("-T", "-a", "-x", "-e", "none"),
    *("-o", "BatchMode=yes"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
    *("-o", "RemoteCommand=none"),
    *("-o", "RequestTTY=no"),
    *("-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=5"),
    *("-o", "ServerAliveCountMax=3"),
    *("-o", "ControlPersist=no"),
    *("-o", "LogLevel=ERROR"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete answer."""

    rc: int
    out: str
    err: str
    cut: bool  # the output was truncated
    err_cut: bool
    boot: str  # the boot_id of the kernel that answered


class Client:
    """A connection to ``address`` with its control socket in ``folder``."""

    def __init__(self, address: Address, folder: Path) -> None:
        self._address = address
        self._socket = folder / "ssh"
        self._master: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._listener: threading.Thread | None = None

    def connect(self) -> None:
        """Connect. Raise EnvironmentMissing with ssh's message if that fails."""
        master = self._start(far_side.STAY, stdin=subprocess.PIPE, master=True)
        self._master = master
        self._listener = threading.Thread(target=self._listen, args=(master,), daemon=True)
        self._listener.start()
        deadline = Deadline(_CONNECT)
        while not self._socket.exists():
            if master.poll() is not None or deadline.expired:
                late = master.poll() is None
                self.close()
                said = self.said or "ssh has ended"
                why = f"no connection in {_CONNECT:.0f} s" if late else said
                raise EnvironmentMissing(
                    f"no connection to {self._address.host} by ssh: {why}",
                    hint=f"this must work without a prompt: {self.by_hand()}",
                )
            deadline.pause(0.02)

    def by_hand(self) -> str:
        """Return a command with which the user can test the connection."""
        return " ".join([PROGRAM, "-o BatchMode=yes", *self._address.words(), "true"])

    @property
    def connected(self) -> bool:
        return self._master is not None and self._master.poll() is None

    @property
    def said(self) -> str:
        """Return the last messages of ssh itself."""
        return plain(self._said.replace(b"\r\n", b"\n")).strip()

    def begin_anew(self) -> None:
        """Make the next request start a new server of requests, over the same connection."""
        if self._worker is not None:
            _end(self._worker)
        self._worker = None

    def close(self) -> None:
        self.begin_anew()
        master, self._master = self._master, None
        if master is None:
            return
        with contextlib.suppress(OSError):
            if master.stdin:
                master.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            master.wait(timeout=1.0)
        proc.kill_group(master.pid)
        master.wait()
        if self._listener is not None:
            self._listener.join(1.0)  # what ssh printed last may not be read yet

    def _listen(self, master: "subprocess.Popen[bytes]") -> None:
        assert master.stderr
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(master.stderr.fileno(), 4096):
                self._said = (self._said + data)[-_SAID:]

    def _start(
        self, line: str, *, stdin: int | IO[bytes], master: bool = False
    ) -> "subprocess.Popen[bytes]":
        # If the connection is lost, ssh must not open another one: the proxy command is `false`.
        how = ("-o", "ControlMaster=yes") if master else ("-o", "ProxyCommand=false")
        words = (PROGRAM, *_OPTIONS, *how, "-S", str(self._socket), *self._address.words(), line)
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        try:
            return subprocess.Popen(
                words,
                stdin=stdin,
                stdout=subprocess.DEVNULL if master else subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=proc.environment(passed),
                start_new_session=True,  # Ctrl-C is only for lppack
            )
        except FileNotFoundError:
            raise EnvironmentMissing(
                f"program {PROGRAM!r} was not found", hint="run: lppack doctor --fix"
            ) from None

    @contextlib.contextmanager
    def session(self, line: str, *, stdin: int | IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
        """Run ``line`` over the connection; kill it after the block, which also ends the far
        side."""
        child = self._start(line, stdin=stdin)
        try:
            yield child
        finally:
            _end(child)

    def ask(self, line: str, number: str, *, sudo: bool, limit: float, most: int) -> Reply:
        """Send a far_side.request() to the server of requests, which is started if there is none.

        ``limit``: seconds for the whole answer. ``most``: bytes to keep of each stream. Raise
        Nonsense, TimeoutError, ConnectionError.
        """
        if self._worker is None:
            self._worker = self._start(far_side.serve(sudo=sudo), stdin=subprocess.PIPE)
        child = self._worker
        assert child.stdin
        # Only one request at a time is sent, and it fits into the pipe, so this does not block.
        try:
            child.stdin.write(line.encode() + b"\n")
            child.stdin.flush()
            return _reply(child, number, limit, most)
        except BaseException:  # also Ctrl-C: the answer may still come
            self.begin_anew()
            raise

    def send(
        self, line: str, number: str, data: IO[bytes], *, sudo: bool, limit: float, most: int
    ) -> Reply:
        """Run a request in its own session, with ``data`` as its standard input."""
        with self.session(far_side.once(line, sudo=sudo), stdin=data) as child:
            return _reply(child, number, limit, most)


def _end(child: "subprocess.Popen[bytes]") -> None:
    proc.kill_group(child.pid)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


def _reply(child: "subprocess.Popen[bytes]", number: str, limit: float, most: int) -> Reply:
    out, err = Framed(number, most), Framed(number, most)
    deadline = Deadline(limit)
    assert child.stdout and child.stderr
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ, out)
        ready.register(child.stderr, selectors.EVENT_READ, err)
        while not (out.done and err.done):
            if not ready.get_map():
                raise ConnectionError("the connection was closed in the middle of an answer")
            if deadline.expired:
                raise TimeoutError(f"no answer in {limit:.0f} s")
            for key, _ in ready.select(max(deadline.left, 0.01)):
                if data := os.read(key.fd, 1 << 16):
                    key.data.feed(data)
                else:
                    ready.unregister(key.fileobj)
            if out.total + err.total > _FLOOD:
                raise Nonsense(f"more than {_FLOOD >> 20} MiB came for one request")
    if out.rc is None or out.boot is None:
        raise Nonsense("the last line of an answer is not the expected one")
    return Reply(rc=out.rc, out=out.text, err=err.text, cut=out.cut, err_cut=err.cut, boot=out.boot)
