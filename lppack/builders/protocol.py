# SPDX-License-Identifier: MIT
"""A builder runs a compiler somewhere; the same commands give the same bytes with any builder."""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lppack import proc
from lppack.builders.headers import common_of
from lppack.distributions import open_distribution
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel

OnLine = Callable[[str], None]

#: What commands see besides PATH; nothing of the user's own environment.
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "HOME": "/tmp",
    "TZ": "UTC",
    "KBUILD_BUILD_USER": "lppack",
    "KBUILD_BUILD_HOST": "lppack",
    "KBUILD_BUILD_TIMESTAMP": "1980-01-01",
    "KBUILD_BUILD_VERSION": "1",
    "SOURCE_DATE_EPOCH": "315532800",  # 1980-01-01, the first day that a zip file can name
}


#: Another user's environment, directory, host and umask: what the bytes must not depend on.
ELSEWHERE = {
    **ENVIRONMENT,
    "LC_ALL": "en_US.ISO-8859-1",
    "HOME": "/home/someone-else",
    "USER": "someone-else",
    "LOGNAME": "someone-else",
    "TZ": "Asia/Kathmandu",
}
_UMASK = ("sh", "-c", 'umask 077; exec "$@"', "sh")


def elsewhere(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the same command with another umask."""
    return (*_UMASK, *argv)


class Site(Protocol):
    """A directory prepared for one build; paths are as the commands see them."""

    @property
    def work(self) -> str: ...

    @property
    def kernel(self) -> str:
        """The directory for ``make -C``; "" if no kernel was requested."""

    @property
    def compiler(self) -> str: ...

    @property
    def sources(self) -> str:
        """The kernel's sources, read-only; "" where open() was given none."""

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        """Run in ``work``; ``out`` holds stdout and stderr, and each line was streamed.

        Past ``limit`` all is killed (``timed_out``). Raise BuildFailed if memory ran out.
        """


class Builder(Protocol):
    @property
    def name(self) -> str:
        """As --builder takes it: "docker", "host"."""

    def open(
        self, work: Path, kernel: Kernel | None, *, sources: Path | None = None
    ) -> AbstractContextManager[Site]:
        """Return a site in ``work``; ``kernel`` None is for static user programs, ``sources`` is a
        tree of the kernel's sources that the commands may read."""

    def identity(self, kernel: Kernel | None = None) -> dict[str, str]:
        """Where a bundle's bytes come from: the compiler's version, the image."""


def compiler_of(kernel: Kernel | None) -> str:
    """Return the compiler that built ``kernel``: "gcc-12"."""
    if kernel is None:
        return open_distribution().images.compiler_here()
    # init/Kconfig, CC_VERSION_TEXT (v6.1): the first line of "$(CC) --version".
    text = kernel.config.read_text()
    match = re.search(r'^CONFIG_CC_VERSION_TEXT="(?:\S*-)?((?:gcc|clang)(?:-\d+)?) ', text, re.M)
    if match and match[1].startswith("gcc"):
        return match[1]
    raise EnvironmentMissing(
        f"{kernel.config}: this kernel was not built by gcc", hint="only gcc builds are supported"
    )


def kbuild_argv(
    site: Site, kernel: Kernel, folder: str = "", *, below: str = "", jobs: int = 0
) -> tuple[str, ...]:
    """``make`` for the module in ``folder`` of ``site.work``; depends on no directory's name.

    ``below``: the part of ``site.work`` that is this module's work directory; ``jobs``: compilers
    at the same time (0: the number of processors).
    """
    work = f"{site.work}/{below}".rstrip("/")
    installed = f"/usr/src/linux-headers-{kernel.release}"
    # Makefile (up to v6.12): -fmacro-prefix-map=$(srctree)/= cuts __FILE__ of the kernel's headers;
    # later it cuts that of the module. gcc lets the last option that fits win.
    maps = []
    if common := common_of(kernel):
        here = kernel.root.resolve() / common.lstrip("/")
        maps += [f"-fmacro-prefix-map={at}/=" for at in dict.fromkeys((common, str(here)))]
    if kernel.root != Path("/"):
        maps += [f"-fdebug-prefix-map={kernel.root.resolve()}/usr/=/usr/"]
    if site.kernel != installed:
        maps += [f"-fdebug-prefix-map={site.kernel}={installed}"]
    flags = " ".join([*maps, f"-ffile-prefix-map={work}=/lppack"])
    return (
        "make",
        "-C",
        site.kernel,
        f"M={work}/{folder}".rstrip("/"),
        f"CC={site.compiler}",
        f"KCFLAGS={flags}",
        f"KAFLAGS={flags}",
        f"-j{jobs or os.cpu_count() or 1}",
        "-O",  # what one compiler says stays together
    )
