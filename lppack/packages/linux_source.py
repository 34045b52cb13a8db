# SPDX-License-Identifier: MIT
"""Sources of a kernel: from the linux-source package of its exact version."""

import difflib
import functools
import re
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel
from lppack.packages import deb
from lppack.packages.apt import Apt
from lppack.packages.kernels import Source, everywhere


@dataclass(frozen=True, slots=True)
class _Kind:
    """Which files of a folder are wanted, and how messages call them."""

    name: str  # of the folder in the cache
    endings: tuple[str, ...]
    what: str
    key: str = ""


_HEADERS = _Kind("headers", (".h",), "header", "kernel_headers: ")
_SOURCES = _Kind("sources", (".c", ".h", "Makefile"), "C file")


def package_of(kernel: Kernel) -> str:
    """``linux-source-6.1 6.1.192-2``: where the headers of ``kernel`` are from."""
    found = re.match(r"\d+\.\d+", kernel.package or "")
    if found is None:
        raise EnvironmentMissing(
            f"which sources {kernel.release} was built from is not known",
            hint="kernel_headers need a kernel from a package: give --kernel RELEASE",
        )
    return f"linux-source-{found[0]} {kernel.package}"


def package_at(version: str) -> str:
    """``linux-source-6.1 6.1.192-2`` for "6.1.192-2"."""
    found = re.match(r"\d+\.\d+(?=\.\d)", version)
    if found is None or not re.fullmatch(r"[A-Za-z0-9.+~-]+", version):
        raise EnvironmentMissing(
            f'"{version}" is not the version of a kernel package', hint="it is like 6.1.192-2"
        )
    return f"linux-source-{found[0]} {version}"


def private_headers(
    kernel: Kernel, folders: Sequence[str], *, source: Source | None = None
) -> tuple[tuple[str, Path], ...]:
    """(path in the kernel's tree, file in the cache) of each header right in ``folders``.

    Raises EnvironmentMissing: no such package, or no header in a folder.
    """
    home = _files(package_of(kernel), folders, _HEADERS, source)
    return tuple(
        sorted(
            (f"{folder}/{file.name}", file)
            for folder in folders
            for file in _place(home, folder, _HEADERS).iterdir()
        )
    )


def source_file(package: str, path: str, *, source: Source | None = None) -> bytes | None:
    """One .c or .h file or Makefile of the kernel's tree; None: its folder has no such file.

    ``package`` is what package_of() or package_at() says. Raises EnvironmentMissing: no such
    package, or no such folder.
    """
    folder, _, name = path.rpartition("/")
    home = _files(package, [folder], _SOURCES, source)
    file = _place(home, folder, _SOURCES) / name
    return file.read_bytes() if name and file.is_file() else None


def unpack_folders(package: str, folders: Sequence[str], *, source: Source | None = None) -> None:
    """The C files of ``folders`` are in the cache, by one pass over the archive for all of them."""
    _files(package, folders, _SOURCES, source)


def headers_with(package: str, words: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """(path, text) of each header below include/ that has one of the words."""
    wanted = re.compile(rb"\b(?:" + b"|".join(re.escape(w.encode()) for w in words) + rb")\b")
    return ((path, text) for path, text in _public(package) if wanted.search(text))


@functools.cache
def _public(package: str) -> tuple[tuple[str, bytes], ...]:
    """All headers below include/: 30 MB, by one pass over the archive."""
    found = []
    with tarfile.open(archive(package), "r|xz") as tar:
        for member in tar:
            path = member.name.partition("/")[2]
            if member.isfile() and path.endswith(".h") and path.startswith("include/"):
                data = tar.extractfile(member)
                found.append((path, data.read() if data else b""))
    return tuple(found)


def archive(package: str, *, source: Source | None = None) -> Path:
    """All sources that ``package`` holds: a .tar.xz, kept in the cache.

    Raises EnvironmentMissing: no such package.
    """
    home = _home(package)
    with store.locked(home.with_suffix(".lock")):
        return _archive(package, home, source or Apt())


def _home(package: str) -> Path:
    return store.cache_dir() / "sources" / package.replace(" ", "_")


def _files(package: str, folders: Sequence[str], kind: _Kind, source: Source | None) -> Path:
    """Where the cache has that kind of file from those folders."""
    home = _home(package)
    missing = [folder for folder in folders if not _place(home, folder, kind).is_dir()]
    if missing:
        with store.locked(home.with_suffix(".lock")):
            _extract(_archive(package, home, source or Apt()), missing, home, kind)
    return home


def _place(home: Path, folder: str, kind: _Kind) -> Path:
    return home / kind.name / folder.replace("/", ",")


def _archive(package: str, home: Path, source: Source) -> Path:
    """The archive of the sources, fetched once: 130 MB."""
    kept = home / "linux-source.tar.xz"
    if kept.is_file():
        return kept
    name, version = package.split(" ")
    offering = next((one for one in everywhere(source) if version in one.versions(name)), source)
    with tempfile.TemporaryDirectory(dir=_made(home), prefix=".download.") as folder:
        place = Path(folder)
        deb.unpack(offering.download(name, version, place), place / "tree")
        (place / f"tree/usr/src/{name}.tar.xz").rename(kept)
    return kept


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _extract(archive: Path, folders: Sequence[str], home: Path, kind: _Kind) -> None:
    """One pass over the archive: some 20 s. Only ordinary files come out, under names of ours."""
    wanted = dict.fromkeys(folders, 0)
    near: set[str] = set()
    with tempfile.TemporaryDirectory(dir=home, prefix=".draft.") as draft:
        with tarfile.open(archive, "r|xz") as tar:
            for member in tar:
                folder, _, name = member.name.partition("/")[2].rpartition("/")
                if member.isfile() and name.endswith(kind.endings):
                    near.add(folder)
                    if folder in wanted and (data := tar.extractfile(member)):
                        wanted[folder] += 1
                        (_made(_place(Path(draft), folder, kind)) / name).write_bytes(data.read())
        for folder, count in wanted.items():
            if not count:
                close = difflib.get_close_matches(folder, sorted(near), n=3)
                raise EnvironmentMissing(
                    f'{kind.key}no {kind.what} is right in "{folder}" of {home.name}',
                    hint=f"did you mean {' or '.join(close)}?" if close else "name a folder",
                )
        _made(home / kind.name)
        for folder in folders:
            _place(Path(draft), folder, kind).rename(_place(home, folder, kind))
