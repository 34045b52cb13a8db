# SPDX-License-Identifier: MIT
"""What a distribution gives: kernels, their sources and debug information, and their compilers.

Each part is a Protocol of functions, so a module can implement it. All raise EnvironmentMissing if
the distribution does not offer what is requested.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lppack.model import Kernel
from lppack.proc import Say


class KernelPackages(Protocol):
    def resolve(self, spec: str | None, patterns: Sequence[str]) -> Kernel:
        """Return the kernel that ``spec`` (``--kernel``) means, unpacked in the cache.

        If ``spec`` is None, return the newest release that a pattern matches.
        """

    def available(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the releases on offer that a pattern matches, newest first."""


class KernelSources(Protocol):
    def package_of(self, kernel: Kernel) -> str:
        """Return the source package of exactly this kernel, as the other methods take it."""

    def package_at(self, version: str) -> str:
        """Return the same for the version of a kernel package."""

    def source_tree(self, package: str) -> Path:
        """Return the unpacked sources in the cache."""

    def source_file(self, package: str, path: str) -> bytes | None:
        """Return the content of one source file; None if there is none at ``path``."""

    def private_headers(
        self, kernel: Kernel, folders: Sequence[str]
    ) -> tuple[tuple[str, Path], ...]:
        """Return (path in the kernel's tree, file in the cache) of each header in ``folders``."""

    def headers_with(self, package: str, words: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (path, text) of each header that has one of the words."""

    def files_with(self, package: str, words: Collection[str]) -> tuple[str, ...]:
        """Return the paths of C files that have all of the words."""


class DebugInformation(Protocol):
    def debug_vmlinux(self, kernel: Kernel, say: Say) -> AbstractContextManager[Path]:
        """Yield the kernel's vmlinux with debug information; it is removed after the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRecipe:
    """How to build a base image on this machine, if none can be pulled."""

    text: str  # all that its bytes depend on, except the versions of packages
    command: tuple[str, ...]  # a tar's path, then ``files``, are appended
    files: tuple[Path, ...]


class Images(Protocol):
    """Images that have a kernel's compiler."""

    @property
    def DOCKERFILE(self) -> str:  # noqa: N802 (a constant of a module)
        """The template, which is given the base image and the compiler."""

    def official(self, suite: str) -> str:
        """Return the name of the plain image of ``suite`` that is pulled."""

    def own_base(self, suite: str) -> BaseRecipe | None:
        """Return how to build a base image of ``suite``; None: this machine cannot."""

    def suite_here(self) -> str:
        """Return the suite of this machine, for programs that belong to no kernel."""

    def compiler_here(self) -> str:
        """Return the compiler of suite_here()."""


class Distribution(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def default_kernels(self) -> str:
        """The pattern of releases that commands use by default."""

    @property
    def kernels(self) -> KernelPackages: ...

    @property
    def sources(self) -> KernelSources: ...

    @property
    def debug(self) -> DebugInformation: ...

    @property
    def images(self) -> Images: ...

    def busybox(self) -> Path:
        """Return a static busybox, for guests."""
