# SPDX-License-Identifier: MIT
"""Fetch the vmlinux with debug information of an exact kernel, from its large debug package.

The debug files of all modules come after vmlinux in the package. Reading stops before them, so only
a ninth of the package is fetched. Its checksum covers the whole package and cannot be checked, so
the caller must compare the build id of the file with that of the kernel.
"""

import contextlib
import io
import lzma
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from lppack import store
from lppack.debian.apt import Apt
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel
from lppack.proc import Say

_TIMEOUT = 60.0  # seconds without a byte
_LARGEST = 2 << 30  # a vmlinux with debug information is 0.6 to 0.9 GB
_OTHERS = 64 << 20  # bytes before the packed files: control.tar
_CHUNK = 1 << 20


class DebugSource(Protocol):
    """A source of debug packages; Apt is the real one."""

    def others(self) -> "Iterator[DebugSource]": ...

    def versions(self, name: str) -> dict[str, str]: ...

    def uri(self, name: str, version: str) -> str: ...

    def proxy(self, scheme: str) -> str | None: ...


@contextlib.contextmanager
def debug_vmlinux(kernel: Kernel, say: Say, *, source: DebugSource | None = None) -> Iterator[Path]:
    """Yield the file (0.6 GB), and remove it after the block."""
    name, version = f"linux-image-{kernel.release}-dbg", kernel.package
    if version is None:
        raise EnvironmentMissing(
            f"the package of {kernel.image} is not known, so neither is its debug package",
            hint="give --kernel the release, or a linux-image .deb",
        )
    where = _offering(name, version, source or Apt(kernel.suite))
    with store.temporary("debug-") as folder:
        say(f"reading {name} {version} up to vmlinux: some 100 MB of it")
        file = folder / f"vmlinux-{kernel.release}"
        with _opened(where, where.uri(name, version)) as package:
            try:
                _extract(package, f"./usr/lib/debug/boot/{file.name}", file)
            except (OSError, EOFError, ValueError, lzma.LZMAError, tarfile.TarError) as error:
                raise EnvironmentMissing(
                    f"package {name} {version} cannot be read: {error}",
                    hint="check the network, and whether the disk is full",
                ) from error
        yield file


def _offering(name: str, version: str, source: DebugSource) -> DebugSource:
    offered: list[str] = []
    for one in (source, *source.others()):
        versions = one.versions(name)
        if version in versions:
            return one
        offered += versions
    raise EnvironmentMissing(
        f"no package {name} {version} in the package sources",
        hint=f"the archive has {', '.join(offered)}: use --kernel with a kernel of that version"
        if offered
        else "check that the package sources contain Debian's kernels: lppack doctor",
    )


@contextlib.contextmanager
def _opened(source: DebugSource, uri: str) -> Iterator[IO[bytes]]:
    scheme, _, place = uri.partition(":")
    if scheme == "copy":  # apt's word for a file that it copies
        scheme, uri = "file", f"file:{place}"
    if scheme not in ("http", "https", "file"):
        raise EnvironmentMissing(
            f"{uri} cannot be read in part",
            hint="--deep needs a package source by http, https or file",
        )
    proxy = source.proxy(scheme)
    proxies = {scheme: proxy} if proxy else None  # None: use the environment
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    try:
        answer = opener.open(uri, timeout=_TIMEOUT)
    except (urllib.error.URLError, OSError) as error:
        raise EnvironmentMissing(
            f"{uri} cannot be fetched: {error}",
            hint="check the network and the sources in /etc/apt",
        ) from error
    with answer:
        yield answer


def _extract(package: IO[bytes], member: str, into: Path) -> None:
    """Write the file ``member`` of a .deb to ``into``; do not read any later data."""
    unpacked = io.BufferedReader(_Unpacked(_data_of(package)), _CHUNK)
    with tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.name == member else None
            if content is None:
                continue
            if entry.size > _LARGEST:
                raise ValueError(f"{member} has {entry.size} bytes")
            with into.open("wb") as out:
                while chunk := content.read(_CHUNK):
                    out.write(chunk)
            return
    raise ValueError(f"there is no {member} in it")


def _data_of(package: IO[bytes]) -> IO[bytes]:
    """Skip to the packed files of a .deb (deb(5): an ar archive of three files)."""
    if package.read(8) != b"!<arch>\n":
        raise ValueError("it is not a Debian package")
    while header := package.read(60):
        # ar.h: name, time, owner, group, mode, size, and two bytes that end it.
        size = header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit():
            raise ValueError("it is damaged")
        name = header[:16].strip().rstrip(b"/").decode("ascii", "replace")
        if name == "data.tar.xz":
            return package
        if name.startswith("data.tar"):
            raise ValueError(f"it is packed as {name}, and only data.tar.xz is known")
        length = int(size)
        if length > _OTHERS or len(package.read(length + length % 2)) < length:
            raise ValueError("it is cut short")
    raise ValueError("there are no files in it")


class _Unpacked(io.RawIOBase):
    """The unpacked data of ``packed``."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ)

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        out = b""
        while not out and not self._unpacker.eof:
            data = self._packed.read(1 << 16) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not data:
                raise EOFError("it ends too early")
            out = self._unpacker.decompress(data, len(room))
        room[: len(out)] = out
        return len(out)
