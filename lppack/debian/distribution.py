# SPDX-License-Identifier: MIT
"""Debian, for the protocol in lppack/distributions/protocol.py."""

from pathlib import Path

from lppack.debian.supported import releases_of
from lppack.distributions.protocol import (
    DebugInformation,
    Images,
    KernelPackages,
    KernelSources,
)


class Debian:
    """The Debian distribution; each part is a module of this package, imported when it is used."""

    name = "debian"

    @property
    def default_kernels(self) -> str:
        return releases_of()

    @property
    def kernels(self) -> KernelPackages:
        from lppack.debian import kernels

        return kernels

    @property
    def sources(self) -> KernelSources:
        from lppack.debian import linux_source

        return linux_source

    @property
    def debug(self) -> DebugInformation:
        from lppack.debian import debug

        return debug

    @property
    def images(self) -> Images:
        from lppack.debian import images

        return images

    def busybox(self) -> Path:
        from lppack.debian.kernels import fetch_file

        return fetch_file("busybox-static", "bin/busybox")
