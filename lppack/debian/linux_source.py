# SPDX-License-Identifier: MIT
"""The sources of a kernel, from the linux-source package of its exact version."""

import difflib
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from lppack import entries, proc, store
from lppack.debian import deb
from lppack.debian.apt import Apt
from lppack.debian.kernels import Source, everywhere
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel

#: Paths that no x86 kernel needs; without them the tree is half as large.
_LEFT_OUT = (
    *("Documentation", "LICENSES", "rust", "samples", "usr", "tools/testing"),
    *("arch/[!x]*", "arch/x[!8]*"),
)
_UNPACK_LIMIT = 900.0  # seconds


def package_of(kernel: Kernel) -> str:
    """Return the source package of ``kernel``: "linux-source-6.1 6.1.192-2"."""
    found = re.match(r"\d+\.\d+", kernel.package or "")
    if found is None:
        raise EnvironmentMissing(
            f"the sources of {kernel.release} are not known",
            hint="kernel_headers need a kernel from a package: give --kernel RELEASE",
        )
    return f"linux-source-{found[0]} {kernel.package}"


def package_at(version: str) -> str:
    """Return "linux-source-6.1 6.1.192-2" for "6.1.192-2"."""
    found = re.match(r"\d+\.\d+(?=\.\d)", version)
    if found is None or not re.fullmatch(r"[A-Za-z0-9.+~-]+", version):
        raise EnvironmentMissing(
            f'"{version}" is not the version of a kernel package', hint="it is like 6.1.192-2"
        )
    return f"linux-source-{found[0]} {version}"


def source_tree(package: str, *, source: Source | None = None) -> Path:
    """Return the unpacked sources in the cache, without files that no x86 kernel needs.

    Unpack them once: 12 s of processor time, 1 GB. Raise EnvironmentMissing for an unknown package.
    """
    home = _home(package)
    return entries.ensure(
        home / "tree", lambda draft: _unpack(archive(package, source=source), draft)
    )


def private_headers(
    kernel: Kernel, folders: Sequence[str], *, source: Source | None = None
) -> tuple[tuple[str, Path], ...]:
    """Return (path in the kernel's tree, file in the cache) of each header directly in ``folders``.

    Raise EnvironmentMissing if there is no such package, or no header in a folder.
    """
    package = package_of(kernel)
    tree = source_tree(package, source=source)
    found = {folder: sorted((tree / folder).glob("*.h")) for folder in folders}
    for folder, files in found.items():
        # One without a header of its own may be where the compiler looks for "below/x.h".
        below = (tree / folder).rglob("*.h")
        if not any(file.is_file() for file in files) and next(below, None) is None:
            close = difflib.get_close_matches(folder, _folders(tree), n=3)
            raise EnvironmentMissing(
                f'kernel_headers: there is no header in "{folder}" of {package}',
                hint=f"did you mean {' or '.join(close)}?" if close else "name a folder",
            )
    return tuple(
        sorted(
            (f"{folder}/{file.name}", file)
            for folder, files in found.items()
            for file in files
            if file.is_file()
        )
    )


def _folders(tree: Path) -> list[str]:
    return sorted({str(file.parent.relative_to(tree)) for file in tree.rglob("*.h")})


def source_file(package: str, path: str, *, source: Source | None = None) -> bytes | None:
    """Return one file of the kernel's tree; None if there is none at that path.

    ``package`` is what package_of() or package_at() returns. Raise EnvironmentMissing if there is
    no such package.
    """
    tree = source_tree(package, source=source)
    try:
        file = (tree / path).resolve()
        there = file.is_relative_to(tree.resolve()) and file.is_file()
    except (OSError, ValueError):  # too long, or with a NUL, as C of a stranger may include it
        return None
    return file.read_bytes() if there else None


def headers_with(package: str, words: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """(path, text) of each header that any file may include, and that has one of the words."""
    wanted = re.compile(rb"\b(?:" + b"|".join(re.escape(w.encode()) for w in words) + rb")\b")
    tree = source_tree(package)
    for folder in ("include", "arch/x86/include"):
        for file in sorted((tree / folder).rglob("*.h")):
            if wanted.search(text := file.read_bytes()):
                yield str(file.relative_to(tree)), text


def files_with(package: str, words: Collection[str]) -> tuple[str, ...]:
    """Return the paths of the C files that have all of the words."""
    wanted = [re.compile(rb"\b" + re.escape(word.encode()) + rb"\b") for word in words]
    tree = source_tree(package)
    return tuple(
        str(file.relative_to(tree))
        for file in sorted(tree.rglob("*.c"))
        if file.is_file() and _has_all(file.read_bytes(), wanted)
    )


def _has_all(text: bytes, wanted: Collection[re.Pattern[bytes]]) -> bool:
    return all(word.search(text) for word in wanted)


def archive(package: str, *, source: Source | None = None) -> Path:
    """Return the .tar.xz with the sources of ``package``, kept in the cache.

    Raise EnvironmentMissing if there is no such package.
    """
    name, version = package.split(" ")

    def fetch(draft: Path) -> None:  # 139 MB
        first = source or Apt()
        offers = (one for one in everywhere(first) if version in one.versions(name))
        with store.temporary("source-") as place:
            deb.unpack(next(offers, first).download(name, version, place), place / "tree")
            shutil.copyfile(place / f"tree/usr/src/{name}.tar.xz", draft)

    return entries.ensure_file(_home(package) / "linux-source.tar.xz", fetch)


def _home(package: str) -> Path:
    home = store.cache_dir() / "sources" / package.replace(" ", "_")
    with store.disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    entries.hold(home)
    return home


def _unpack(packed: Path, into: Path) -> None:
    """Only folders, ordinary files, and links that stay inside.

    By tar: Python's tarfile takes three times its processor time.
    """
    argv = ["tar", "-xJf", str(packed), "-C", str(into), "--strip-components=1"]
    argv += ["--no-same-owner", "--no-same-permissions", "--anchored"]
    argv += ["--wildcards", "--no-wildcards-match-slash"]
    argv += [f"--exclude=*/{pattern}" for pattern in _LEFT_OUT]
    for command in (argv, ["find", str(into), "!", "-type", "f", "!", "-type", "d", "-print0"]):
        done = proc.run(command, limit=_UNPACK_LIMIT)
        if not done.ok:
            raise EnvironmentMissing(f"{packed} cannot be unpacked: {done.summary(tail=3)}")
    for name in filter(None, done.out.split("\0")):
        path = Path(name)
        if not path.is_symlink() or not path.resolve().is_relative_to(into.resolve()):
            path.unlink()
