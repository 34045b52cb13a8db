# SPDX-License-Identifier: MIT
"""Private headers of a kernel: from the linux-source package of its exact version."""

import difflib
import re
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel
from lppack.packages import deb
from lppack.packages.apt import Apt
from lppack.packages.kernels import Source, everywhere


def package_of(kernel: Kernel) -> str:
    """``linux-source-6.1 6.1.192-2``: where the headers of ``kernel`` are from."""
    found = re.match(r"\d+\.\d+", kernel.package or "")
    if found is None:
        raise EnvironmentMissing(
            f"which sources {kernel.release} was built from is not known",
            hint="kernel_headers need a kernel from a package: give --kernel RELEASE",
        )
    return f"linux-source-{found[0]} {kernel.package}"


def private_headers(
    kernel: Kernel, folders: Sequence[str], *, source: Source | None = None
) -> tuple[tuple[str, Path], ...]:
    """(path in the kernel's tree, file in the cache) of each header right in ``folders``.

    Raises EnvironmentMissing: no such package, or no header in a folder.
    """
    home = store.cache_dir() / "sources" / package_of(kernel).replace(" ", "_")
    missing = [folder for folder in folders if not _place(home, folder).is_dir()]
    if missing:
        with store.locked(home.with_suffix(".lock")):
            _extract(_archive(kernel, home, source or Apt()), missing, home)
    return tuple(
        sorted(
            (f"{folder}/{file.name}", file)
            for folder in folders
            for file in _place(home, folder).iterdir()
        )
    )


def _place(home: Path, folder: str) -> Path:
    return home / "headers" / folder.replace("/", ",")


def _archive(kernel: Kernel, home: Path, source: Source) -> Path:
    """The archive of the sources, fetched once: 130 MB."""
    kept = home / "linux-source.tar.xz"
    if kept.is_file():
        return kept
    name, version = package_of(kernel).split(" ")
    offering = next((one for one in everywhere(source) if version in one.versions(name)), source)
    with tempfile.TemporaryDirectory(dir=_made(home), prefix=".download.") as folder:
        place = Path(folder)
        deb.unpack(offering.download(name, version, place), place / "tree")
        (place / f"tree/usr/src/{name}.tar.xz").rename(kept)
    return kept


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _extract(archive: Path, folders: Sequence[str], home: Path) -> None:
    """One pass over the archive: some 20 s. Only ordinary files come out, under names of ours."""
    wanted = dict.fromkeys(folders, 0)
    near: set[str] = set()
    with tempfile.TemporaryDirectory(dir=home, prefix=".headers.") as draft:
        with tarfile.open(archive, "r|xz") as tar:
            for member in tar:
                folder, _, name = member.name.partition("/")[2].rpartition("/")
                if member.isfile() and name.endswith(".h"):
                    near.add(folder)
                    if folder in wanted and (data := tar.extractfile(member)):
                        wanted[folder] += 1
                        (_made(_place(Path(draft), folder)) / name).write_bytes(data.read())
        for folder, count in wanted.items():
            if not count:
                close = difflib.get_close_matches(folder, sorted(near), n=3)
                raise EnvironmentMissing(
                    f'kernel_headers: no header is right in "{folder}" of {home.name}',
                    hint=f"did you mean {' or '.join(close)}?" if close else "name a folder",
                )
        _made(home / "headers")
        for folder in folders:
            _place(Path(draft), folder).rename(_place(home, folder))
