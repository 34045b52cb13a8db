# SPDX-License-Identifier: MIT
"""The protocol of builders: the same commands give the same bytes with any builder."""

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

#: Environment of commands besides PATH; nothing comes from the user's environment.
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


#: Another environment, directory, host name and umask, on which the bytes must not depend.
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
    """Return the command with another umask."""
    return (*_UMASK, *argv)


class Site(Protocol):
    """A directory prepared for one build; paths are as the commands see them."""

    @property
    def work(self) -> str: ...

    @property
    def kernel(self) -> str:
        """Return the directory for ``make -C``; "" if no kernel was requested."""

    @property
    def compiler(self) -> str: ...

    @property
    def sources(self) -> str:
        """Return the directory of the kernel's sources, read-only; "" if open() was given none."""

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        """Run in ``work``; ``out`` contains stdout and stderr. Each line is also streamed.

        After ``limit`` seconds all processes are killed (``timed_out``). Raise BuildFailed: out of
        memory.
        """


class Builder(Protocol):
    @property
    def name(self) -> str:
        """Return the name for --builder: "docker", "host"."""

    def open(
        self, work: Path, kernel: Kernel | None, *, sources: Path | None = None
    ) -> AbstractContextManager[Site]:
        """Return a site in ``work``; ``kernel`` None is for static user programs, ``sources`` is a
        tree of the kernel's sources that the commands may read."""

    def identity(self, kernel: Kernel | None = None) -> dict[str, str]:
        """Return what determines a bundle's bytes: the compiler's version, the image."""


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
    """Return the ``make`` command for a module; its result does not depend on directory names.

    The module is in ``folder`` of ``site.work``. ``below``: the part of ``site.work`` that is this
    module's work directory. ``jobs``: number of compilers at the same time (0: number of
    processors).
    """
    work = f"{site.work}/{below}".rstrip("/")
    installed = f"/usr/src/linux-headers-{kernel.release}"
    # Makefile (up to v6.12): -fmacro-prefix-map=$(srctree)/= shortens __FILE__ of the kernel's
    # headers; later versions shorten that of the module. gcc uses the last matching option.
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
        "-O",  # keep the output of each compiler together
    )
