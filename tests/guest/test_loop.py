# SPDX-License-Identifier: MIT
"""Debian's own loop.ko, patched in all orders: before it is loaded, after, and each time again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.revert import revert
from lppack.stages.test import load_modules

pytestmark = pytest.mark.guest

DIO = "/sys/block/loop0/loop/dio"
NEW = "4096 of at most 0, one of 8\n"


class Loop:
    def __init__(self, host: GuestHost, bundle: Bundle, kernel: Kernel) -> None:
        self.host = host
        self.bundle = bundle
        self.kernel = kernel

    def sh(self, command: str) -> int:
        return self.host.run(["/bin/sh", "-c", command], limit=20.0).rc

    def load(self) -> str:
        """What the device shows, which has a file from its byte 4096 on."""
        load_modules(self.host, self.bundle, self.kernel)
        assert self.sh("busybox losetup -o 4096 /dev/loop0 /tmp/disk") == 0
        return self.host.read(DIO)

    def remove(self) -> None:
        assert self.sh("busybox losetup -d /dev/loop0 && rmmod loop") == 0


def test_before_after_and_three_times_again(
    guest: GuestHost,
    kernel: Kernel,
    control: Control,
    built: Callable[[str, bool], tuple[Bundle, Path]],
) -> None:
    bundle, files = built("loop-dio", False)
    loop = Loop(guest, bundle, kernel)
    assert loop.sh("dd if=/dev/zero of=/tmp/disk bs=64k count=1") == 0
    ko = files / f"{bundle.module}.ko"
    assert loop.load() == "0\n"
    apply(control, bundle, ko)
    assert guest.read(DIO) == NEW
    for _ in range(3):
        loop.remove()
        assert loop.load() == NEW
    revert(control, "loop-dio")
    assert guest.read(DIO) == "0\n"
    loop.remove()
    apply(control, bundle, ko)
    assert loop.load() == NEW
    loop.remove()
    revert(control, "loop-dio")
    assert loop.load() == "0\n"
    loop.remove()
