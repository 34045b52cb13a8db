# SPDX-License-Identifier: MIT
"""The part of a debug package up to vmlinux, read from a package made on the spot."""

import io
import lzma
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lppack.debian.debug import debug_vmlinux
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel
from tests.kit.samples import RELEASE
from tests.kit.samples import kernel as kernel_named

VERSION = "6.1.9-1"
CONTENT = os.urandom(3 << 20)
FOLDER = "./usr/lib/debug"


@dataclass
class FakeSource:
    package: str
    version: str = VERSION
    more: "tuple[FakeSource, ...]" = ()

    def others(self) -> "Iterator[FakeSource]":
        yield from self.more

    def versions(self, name: str) -> dict[str, str]:
        return {self.version: "x"} if name == f"linux-image-{RELEASE}-dbg" else {}

    def uri(self, name: str, version: str) -> str:
        return self.package

    def proxy(self, scheme: str) -> str | None:
        return None


def data_tar(behind: int = 0, vmlinux: str = f"boot/vmlinux-{RELEASE}") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        folder = tarfile.TarInfo(FOLDER)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in (
            ("boot/System.map", b"x"),
            (vmlinux, CONTENT),
            ("m.ko", os.urandom(behind)),
        ):
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def package(*members: tuple[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, content in members:
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
        parts.append(content + b"\n" * (len(content) % 2))
    return b"".join(parts)


START = (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"))


def read(folder: Path, content: bytes) -> bytes:
    file = folder / "package.deb"
    file.write_bytes(content)
    return read_from(FakeSource(file.as_uri()), folder)


def read_from(source: FakeSource, folder: Path, version: str | None = VERSION) -> bytes:
    at: Kernel = replace(kernel_named(folder), package=version)
    with debug_vmlinux(at, lambda _line: None, source=source) as file:
        content = file.read_bytes()
    assert not file.exists(), "it is too large to be kept"
    return content


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/lppack"


def test_vmlinux_comes_out_whole_and_nothing_stays(tmp_path: Path, cache: Path) -> None:
    assert read(tmp_path, package(*START, ("data.tar.xz", data_tar()))) == CONTENT
    assert list(cache.iterdir()) == []


@pytest.mark.slow
def test_what_stands_behind_it_is_not_read(tmp_path: Path) -> None:
    whole = package(*START, ("data.tar.xz", data_tar(behind=4 << 20)))
    assert read(tmp_path, whole[: -(2 << 20)]) == CONTENT, "its end is missing, and not missed"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: b"<html>no such file</html>", "it is not a Debian package"),
        (lambda: package(*START), "there are no files in it"),
        (lambda: package(*START, ("data.tar.zst", b"x")), "packed as data.tar.zst"),
        (lambda: package(*START)[:-40], "is damaged|is cut short"),
        (lambda: package(*START, ("data.tar.xz", data_tar()[: 1 << 20])), "it ends too early"),
        (lambda: package(*START, ("data.tar.xz", b"x" * 99)), "cannot be read"),
        (lambda: package(*START, ("data.tar.xz", data_tar(vmlinux="boot/v"))), "there is no ./usr"),
        (lambda: package(*START, ("data.tar.xz", lzma.compress(b"x" * 999))), "cannot be read"),
    ],
)
def test_a_damaged_package(
    tmp_path: Path, cache: Path, make: Callable[[], bytes], says: str
) -> None:
    with pytest.raises(EnvironmentMissing, match=says):
        read(tmp_path, make())
    assert list(cache.iterdir()) == []


def test_the_exact_version_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "package.deb"
    file.write_bytes(package(*START, ("data.tar.xz", data_tar())))
    right = FakeSource(f"copy:{file}")
    old = FakeSource("http://archive.invalid/x", version="6.1.8-1", more=(right,))
    assert read_from(old, tmp_path) == CONTENT
    with pytest.raises(EnvironmentMissing, match="no package .*-dbg 6.1.7-1") as caught:
        read_from(old, tmp_path, "6.1.7-1")
    assert "the archive has 6.1.8-1, 6.1.9-1" in str(caught.value.hint)
    with pytest.raises(EnvironmentMissing, match="is not known"):
        read_from(old, tmp_path, None)


@pytest.mark.parametrize(
    "uri", ["cdrom:[x]/pool/x.deb", "file:///no/such/file", "http://[::1]:9/x"]
)
def test_a_place_that_cannot_be_read(tmp_path: Path, uri: str) -> None:
    with pytest.raises(EnvironmentMissing, match="cannot be (read in part|fetched)"):
        read_from(FakeSource(uri), tmp_path)
