# SPDX-License-Identifier: MIT
"""A real sshd on loopback as this user, with keys of its own; and an ssh that knows it alone."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = "/usr/sbin/sshd"


@dataclass(frozen=True)
class Sshd:
    folder: Path
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def bin(self) -> Path:
        """What PATH has to begin with, for ssh to know the server and have the key."""
        return self.folder / "bin"

    def environment(self) -> Mapping[str, str]:
        return {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    def cut(self) -> None:
        """Close each connection, as a network that is gone does."""
        for pid in _below(int((self.folder / "pid").read_text())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def _below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def keys(folder: Path, *, address: str) -> Path:
    """Make keys in ``folder``; return what PATH has to begin with, for ssh to know ``address``."""
    if not Path(PROGRAM).exists() or not shutil.which("ssh"):
        pytest.fail("sshd is not here: apt-get install openssh-client openssh-server")
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True, timeout=30)
    (folder / "known_hosts").write_text(f"{address} {(folder / 'host.pub').read_text()}")
    (folder / "config").write_text(
        f"IdentityFile {folder}/user\nIdentitiesOnly yes\nIdentityAgent none\n"
        f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile /dev/null\n"
    )
    (folder / "bin").mkdir()
    wrapper = folder / "bin/ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    wrapper.chmod(0o755)
    return folder / "bin"


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Sshd]:
    """Start one in ``folder``; its end takes what it has started along."""
    port = free_port()
    keys(folder, address=f"[127.0.0.1]:{port}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # privilege separation
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxSessions 20\n"
    )
    words = [PROGRAM, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
    server = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    made = Sshd(folder, port)
    try:
        _wait(made, server)
        yield made
    finally:
        with contextlib.suppress(OSError):
            made.cut()
        server.kill()
        server.wait()


def _wait(made: Sshd, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", made.port)):
            return
        assert server.poll() is None, (made.folder / "log").read_text()
        time.sleep(0.02)
    raise AssertionError("sshd does not listen")
