# SPDX-License-Identifier: MIT
"""Debian's sshd in a guest, on a port of loopback: a machine that only ssh reaches."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from lppack.debian.kernels import resolve
from lppack.hosts import open_host
from lppack.hosts.initramfs import modules_in_order
from lppack.hosts.protocol import Host
from tests.kit.fault_points import GUEST, started
from tests.kit.forwarding import NETWORK, forwarding
from tests.kit.guest import PATTERNS
from tests.kit.sshd import PROGRAM, free_port, keys

#: The guest, by a name of ssh's configuration.
NAME = "web1"
_USERS = "root:x:0:0::/root:/bin/sh\nsshd:x:100:100::/run/sshd:/bin/false\n"
_CONFIG = (
    "HostKey /etc/ssh/host\nAuthorizedKeysFile /etc/ssh/user.pub\nStrictModes no\nUsePAM no\n"
    "PasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile /run/sshd.pid\n"
)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A guest with the target of conn-limit and an sshd: its address, as --on takes it."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    bin_ = keys(folder, address=f"[127.0.0.1]:{port}")
    forwarding(bin_, address)
    with mock.patch.dict(os.environ, {"PATH": f"{bin_}:{os.environ['PATH']}"}), started():
        with open_host(f"guest:{GUEST}") as guest:
            _network(guest)
            _sshd(guest, folder)
        with (folder / "config").open("a") as config:
            config.write(
                f"Host {NAME}\nHostName 127.0.0.1\nPort {port}\nHostKeyAlias [127.0.0.1]:{port}\n"
            )
        yield f"ssh:root@{address}"


def _network(guest: Host) -> None:
    for file in modules_in_order(resolve(None, PATTERNS), ("virtio_net",)):
        guest.put(file, f"/test/{file.name}")
        ran = guest.run(["insmod", f"/test/{file.name}"], limit=60)
        assert ran.rc == 0 or "File exists" in ran.err, ran.err
    assert guest.run(["sh", "-c", NETWORK], limit=20).rc == 0


def _sshd(guest: Host, folder: Path) -> None:
    said = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    libraries = {path for line in said.splitlines() if (path := _file(line))}
    flock = str(shutil.which("flock"))  # which the busybox of Debian lacks
    for path in (PROGRAM, flock, *libraries):
        guest.put(Path(path), path, mode=0o755)
    texts = {"/etc/passwd": _USERS, "/etc/ssh/sshd_config": _CONFIG}
    for path, text in texts.items():
        (folder / "text").write_text(text)
        guest.put(folder / "text", path)
    for name in ("host", "user.pub"):
        guest.put(folder / name, f"/etc/ssh/{name}", mode=0o600)
    line = (
        "mkdir -p /run/sshd /root; chmod 755 /run /run/sshd; "
        f"{PROGRAM} -D -f /etc/ssh/sshd_config -E /run/sshd.log > /dev/null 2>&1 < /dev/null & "
        "until grep -q listening /run/sshd.log; do usleep 50000; done"
    )
    ran = guest.run(["sh", "-c", line], limit=60)
    assert ran.rc == 0, (ran, guest.read("/run/sshd.log"))


def _file(line: str) -> str | None:
    found = re.search(r"(/\S+) \(0x", line)
    return found[1] if found else None


def cut(guest: Host) -> None:
    """End each connection to the guest, at the guest, as a network that is gone does."""
    line = 'for p in $(pidof sshd); do [ "$p" = "$(cat /run/sshd.pid)" ] || kill -9 $p; done'
    guest.run(["sh", "-c", line], limit=20)
