# SPDX-License-Identifier: MIT
"""A QEMU whose guest has a network card, and an sshd that loopback leads to."""

import shutil
from pathlib import Path

from lppack.hosts.qemu import PROGRAM

#: Not where lppack runs QEMU for its version, or to try KVM.
_QEMU = """#!/bin/sh
case "$*" in
*virtserialport*) exec {qemu} "$@" -netdev user,id=n,restrict=on,hostfwd=tcp:{address}-:22 \\
    -device virtio-net-pci,netdev=n;;
esac
exec {qemu} "$@"
"""
#: In the guest, once virtio_net is loaded.
NETWORK = "ifconfig lo up; ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up"


def forwarding(bin_: Path, address: str) -> None:
    """Put a QEMU into ``bin_`` that connects ``address``, HOST:PORT here, with the guest's sshd."""
    qemu = bin_ / PROGRAM
    qemu.write_text(_QEMU.format(qemu=shutil.which(PROGRAM), address=address))
    qemu.chmod(0o755)
