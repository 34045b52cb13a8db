# SPDX-License-Identifier: MIT
"""A guest with Debian's own systemd and dpkg on a disk, that is booted again and again."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from lppack import store
from lppack.builders.protocol import Builder
from lppack.debian.kernels import fetch_file
from lppack.hosts import initramfs
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.resources import template_dir
from lppack.stages.build import build_program

_INIT = """\
#!/bin/sh
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
while read -r module; do insmod "$module"; done < /modules.list
until [ -e /dev/vda ]; do sleep 0.1; done
mount -t ext4 /dev/vda /mnt
exec busybox switch_root /mnt /sbin/init
"""
_AGENT = """\
[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service

[Service]
ExecStart=/usr/sbin/lppack-agent
"""
_DISK_MODULES = (*initramfs.MODULES, "virtio_blk", "crc32c_generic", "ext4")


class Machine:
    """A disk, and what boots from it."""

    def __init__(
        self, kernel: Kernel, work: Path, builder: Builder, packages: tuple[str, ...] = ()
    ) -> None:
        self.kernel, self.work = kernel, work
        agent = build_program(template_dir() / "guest/agent.c", builder)
        busybox = fetch_file("busybox-static", "bin/busybox")
        init = work / "init"
        init.write_text(_INIT)
        self.initramfs = work / "initramfs.cpio"
        initramfs.make(kernel, init, busybox, self.initramfs, _DISK_MODULES)
        root = work / "root"
        unpack_root(kernel, root, packages)
        self.add(root)
        modules = root / "usr/lib/modules" / kernel.release
        modules.mkdir(parents=True)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            (modules / name).write_bytes((kernel.modules / name).read_bytes())
        (root / "usr/sbin/lppack-agent").write_bytes(agent.read_bytes())
        (root / "usr/sbin/lppack-agent").chmod(0o755)
        units = root / "etc/systemd/system"
        (units / "guest-agent.service").write_text(_AGENT)
        (units / "sysinit.target.wants").mkdir(exist_ok=True)
        (units / "sysinit.target.wants/guest-agent.service").symlink_to("../guest-agent.service")
        for name in ("serial-getty@ttyS0", "getty@tty1"):  # without udev they wait for 90 s
            (units / f"{name}.service").symlink_to("/dev/null")
        self.disk = work / "disk.img"
        argv = ["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(self.disk), "1200M"]
        subprocess.run(argv, check=True)

    def add(self, root: Path) -> None:
        """Put more into the root."""

    @contextlib.contextmanager
    def up(self, *words: str) -> Iterator[GuestHost]:
        """Boot; at the end of the block QEMU is killed, unless the guest has gone down before."""
        with boot(
            self.kernel,
            work=self.work / "g",
            initramfs=self.initramfs,
            cmdline=("rw", "systemd.show_status=0", *words),
            memory_mb=1024,
            disk=self.disk,
            limit=300.0,
        ) as host:
            host.run(["systemctl", "is-system-running", "--wait"], limit=300.0)
            yield host

    def down(self, host: GuestHost) -> None:
        """Shut down in order, and wait until it is down."""
        with contextlib.suppress(Exception):
            host.run(["systemctl", "poweroff"], limit=30.0)
        end = time.monotonic() + 200
        while not host._gone():
            assert time.monotonic() < end
            time.sleep(0.2)


def unpack_root(kernel: Kernel, root: Path, packages: tuple[str, ...] = ()) -> None:
    """Debian with systemd and kmod, made once with mmdebstrap from this machine's sources."""
    name = "-".join(("systemd", kernel.suite, *packages))
    kept = store.cache_dir() / "images" / f"{name}.tar"
    if not kept.exists():
        include = ",".join(("systemd-sysv", "kmod", *packages))
        argv = ["mmdebstrap", "--variant=minbase", f"--include={include}", kernel.suite]
        made = kept.with_suffix(".draft.tar")
        subprocess.run([*argv, made], check=True, timeout=1200)
        made.rename(kept)
    root.mkdir()
    subprocess.run(["tar", "-xf", kept, "-C", root], check=True)
