# SPDX-License-Identifier: MIT
"""Debian guests with sshd, Python and lppack, as an inventory of Ansible on loopback addresses."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.engines.kernel import KernelEngines
from lppack.hosts import initramfs, qemu
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.pipeline.guests import own_initramfs
from lppack.stages.status import status
from tests.kit.command import EXAMPLES, ROOT, lppack
from tests.kit.debian_root import DebianRoot
from tests.kit.fleet import SERIES, Fleet
from tests.kit.forwarding import NETWORK, forwarding
from tests.kit.sshd import free_port, keys

SERIES_OF_KERNELS = ("6.1", "6.12")
MEMORY_MB = 640
#: Of Debian's root, what nothing here reads: a guest has the rest in its memory.
_UNREAD = (
    *("dev", "var/cache", "var/lib/apt", "var/lib/dpkg", "usr/lib/locale"),
    *(f"usr/share/{name}" for name in ("doc", "man", "locale", "perl", "zoneinfo")),
    *(f"usr/lib/x86_64-linux-gnu/{name}" for name in ("perl", "perl-base", "perl5", "gconv")),
)
_LPPACK = '#!/bin/sh\nPYTHONPATH=/opt/lppack exec python3 -m lppack "$@"\n'
_SSHD = (
    "HostKey /etc/ssh/host\nUsePAM no\nPasswordAuthentication no\nPidFile /run/sshd.pid\n"
    "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
)
_START = f"{NETWORK}; mkdir -p /run/sshd; insmod /root/conn.ko; /usr/sbin/sshd -E /run/sshd.log"


@dataclass(frozen=True)
class Machine:
    """One guest, its name in the inventory, and where sshd of it answers."""

    name: str
    address: str
    port: int
    kernel: Kernel
    host: GuestHost
    process: "subprocess.Popen[bytes]"

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def shell(self, line: str) -> str:
        done = self.host.run(["/bin/sh", "-c", line], limit=60.0)
        assert done.rc == 0, (self.name, done)
        return done.out

    def live(self) -> tuple[str, str] | None:
        """Phase and conversion of the patch, by the kernel itself; None: it is not there."""
        found = status(KernelEngines(self.host), self.name)
        return (found[0].phase.value, found[0].conversion) if found else None

    def sleep_inside(self) -> None:
        """Let a thread sleep in a function that the patch replaces."""
        self.shell("echo 'wait mail' > /proc/conn 2> /dev/null & sleep 1")

    def wake(self) -> None:
        self.shell("echo 'wake mail' > /proc/conn")

    def kill_in_transition(self) -> None:
        """Wait until the kernel is at it; then end the machine at once, as a lost power does."""
        end = time.monotonic() + 800  # a wave before it may be at work
        while "1" not in self.shell("cat /sys/kernel/livepatch/*/transition || true"):
            assert time.monotonic() < end, "no transition has begun"
            time.sleep(0.2)
        self.kill()

    def kill(self) -> None:
        self.host.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True, kw_only=True)
class GuestFleet(Fleet):
    """The machines, and Ansible of ``programs``."""

    machines: Mapping[str, Machine]
    bundles: Mapping[str, Path]

    def places(self) -> dict[str, tuple[str, str] | None]:
        """Where the patch is on each machine that runs."""
        return {name: one.live() for name, one in self.machines.items() if one.runs}

    def take_back(self) -> None:
        """Bring each machine that runs to where it was before."""
        for one in self.machines.values():
            if one.runs and one.live():
                one.shell(f"lppack revert {SERIES}")

    def hosts(self, named: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
        """Write an inventory of those ``named``, with variables of theirs; or of all machines."""
        common = {
            "ansible_user": "root",
            "ansible_ssh_executable": str(self.folder / "bin/ssh"),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_pipelining": True,
            "lppack_rollout_series": SERIES,
            "lppack_rollout_bundle": {key: str(path) for key, path in self.bundles.items()},
            "lppack_rollout_report": str(self.folder / "report.json"),
        }
        hosts = {}
        for name, more in (named or dict.fromkeys(self.machines, {})).items():
            one = self.machines[name]
            hosts[name] = {"ansible_host": one.address, "ansible_port": one.port, **more}
        file = self.folder / "inventory.yml"
        text = yaml.safe_dump({"all": {"vars": common, "hosts": hosts}}, sort_keys=False)
        file.write_text(text)
        return file


def ansible(folder: Path) -> Path:
    """Make a virtual environment with ansible-core alone; return where its programs are."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    argv = [str(folder / "bin/pip"), "install", "--quiet", "ansible-core"]
    subprocess.run(argv, check=True, timeout=600)
    return folder / "bin"


def bundles(kernels: Sequence[Kernel], folder: Path) -> Mapping[str, Path]:
    """Build conn-limit for each kernel."""
    source = folder / "conn-limit"
    shutil.copytree(EXAMPLES / "conn-limit", source)
    manifest = source / "manifest.yaml"
    named = ", ".join(f'"{kernel.release}"' for kernel in kernels)
    manifest.write_text(manifest.read_text().replace('"6.1.0-*-amd64"', named))
    found = {}
    for kernel in kernels:
        words = ("--kernel", kernel.release, "--engine", "livepatch", "-o", folder / "bundles")
        ran = lppack("build", source, *words)
        assert ran.rc == 0, ran.err
        found[kernel.release] = Path(ran.out.strip())
    return found


def _tree(folder: Path, kernel: Kernel) -> Path:
    """A Debian with lppack, and with the keys of ``folder``."""
    tree = folder / "tree"
    DebianRoot(kernel, tree, "openssh-server").unpack()
    for path in _UNREAD:
        shutil.rmtree(tree / path, ignore_errors=True)
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
    subprocess.run([*argv, str(tree / "opt/lppack"), str(ROOT)], check=True, timeout=600)
    program = tree / "usr/bin/lppack"
    program.write_text(_LPPACK)
    program.chmod(0o755)
    (tree / "etc/ssh/sshd_config").write_text(_SSHD)
    shutil.copy(folder / "host", tree / "etc/ssh/host")
    (tree / "root/.ssh").mkdir(mode=0o700)
    shutil.copy(folder / "user.pub", tree / "root/.ssh/authorized_keys")
    return tree


def _image(kernel: Kernel, tree: Path, bundle: Path, out: Path) -> Path:
    """An initramfs with ``tree``, and the module that the patch is for."""
    with zipfile.ZipFile(bundle) as packed:
        (tree / "root/conn.ko").write_bytes(packed.read("test/targets/conn.ko"))
    own_initramfs(kernel, "docker", out, ("virtio_net",))
    initramfs.append_tree(out, tree)
    return out


def _launch(name: str, number: int, kernel: Kernel, image: Path, folder: Path) -> Machine:
    address, port = f"127.0.0.{number + 2}", free_port()
    (folder / "bin").mkdir(parents=True)
    forwarding(folder / "bin", f"{address}:{port}")
    machine = qemu.machine(kernel, image, memory_mb=MEMORY_MB)
    with mock.patch.dict(os.environ, {"PATH": f"{folder}/bin:{os.environ['PATH']}"}):
        process = qemu.launch(machine, folder)
    host = GuestHost(name, folder, gone=lambda: process.poll() is not None)
    return Machine(name, address, port, kernel, host, process)


@contextlib.contextmanager
def guest_fleet(count: int, folder: Path, collections: Path) -> Iterator[GuestFleet]:
    """Boot ``count`` guests at once, of two kernels in turns."""
    keys(folder, address="*")
    kernels = [resolve(None, (releases_of(series),)) for series in SERIES_OF_KERNELS]
    built = bundles(kernels, folder)
    tree = _tree(folder, kernels[0])
    images = {
        kernel.release: _image(
            kernel, tree, built[kernel.release], folder / f"{kernel.release}.img"
        )
        for kernel in kernels
    }
    programs = ansible(folder / "ansible-core")
    machines: dict[str, Machine] = {}
    fleet = GuestFleet(
        folder=folder,
        bundle=next(iter(built.values())),
        collections=collections,
        programs=programs,
        machines=machines,
        bundles=built,
    )
    try:
        for number in range(count):
            kernel, name = kernels[number % 2], f"g{number}"
            machines[name] = _launch(name, number, kernel, images[kernel.release], folder / name)
        for one in machines.values():
            one.host.ping(limit=400.0)
            one.shell(_START)
        yield fleet
        assert not any(one.host.faults() for one in machines.values())
    finally:
        for one in machines.values():
            one.kill()
