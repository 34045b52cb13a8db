# SPDX-License-Identifier: MIT
"""Private headers come out of the kernel's own sources, and nothing else does."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lppack import proc, store
from lppack.debian.linux_source import package_of, private_headers
from lppack.errors import EnvironmentMissing
from tests.kit.samples import kernel

KERNEL = kernel()
FILES = {
    "mm/slab.h": b"/* slab */\n",
    "mm/slab.c": b"/* no header */\n",
    "mm/deep/er.h": b"/* another folder */\n",
    "net/mac80211/sta_info.h": b"/* sta */\n",
}


@dataclass
class SourcePackage:
    """A source of packages that has linux-source-6.1, made on the spot."""

    downloads: list[str] = field(default_factory=list)
    stamp: str = "1"
    fresh: bool = True
    age: float = 0.0

    def others(self) -> "Iterator[SourcePackage]":
        yield from ()

    def update(self, *, fresh: bool = False) -> None: ...

    def package_names(self, prefix: str) -> tuple[str, ...]:
        return ()

    def candidate(self, name: str) -> str | None:
        return None

    def versions(self, name: str) -> dict[str, str]:
        return {"6.1.192-2": "bookworm"} if name == "linux-source-6.1" else {}

    def depends(self, name: str, version: str) -> tuple[str, ...]:
        return ()

    def download(self, name: str, version: str | None, into: Path) -> Path:
        self.downloads.append(f"{name}={version}")
        tree = into / "made"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x\n"
            "Description: x\n"
        )
        (tree / "usr/src").mkdir(parents=True)
        with tarfile.open(tree / f"usr/src/{name}.tar.xz", "w:xz") as tar:
            for path, data in FILES.items():
                member = tarfile.TarInfo(f"{name}/{path}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            link = tarfile.TarInfo(f"{name}/mm/link.h")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
        package = into / f"{name}.deb"
        done = proc.run(["dpkg-deb", "-Znone", "-b", str(tree), str(package)], limit=60)
        assert done.ok, done.summary()
        return package


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_headers_right_in_a_folder() -> None:
    [(name, file)] = private_headers(KERNEL, ["mm"], source=SourcePackage())
    assert name == "mm/slab.h"
    assert file.read_bytes() == FILES["mm/slab.h"]


def test_the_package_is_fetched_once() -> None:
    source = SourcePackage()
    private_headers(KERNEL, ["mm"], source=source)
    found = private_headers(KERNEL, ["mm", "mm/deep", "net/mac80211"], source=source)
    assert [name for name, _ in found] == ["mm/deep/er.h", "mm/slab.h", "net/mac80211/sta_info.h"]
    assert source.downloads == ["linux-source-6.1=6.1.192-2"]


def test_a_folder_without_headers_is_told_with_what_is_near() -> None:
    with pytest.raises(EnvironmentMissing) as caught:
        private_headers(KERNEL, ["mm", "net/mac8021"], source=SourcePackage())
    assert 'no header is right in "net/mac8021" of linux-source-6.1 6.1.192-2' in str(caught.value)
    assert caught.value.hint == "did you mean net/mac80211?"
    every = (path.name for path in (store.cache_dir() / "sources").glob("*/*"))
    kept = {name for name in every if not name.endswith((".lock", ".sums"))}
    assert kept == {"linux-source.tar.xz", "tree"}, "nothing half-made is kept"


def test_a_kernel_that_is_from_no_package() -> None:
    with pytest.raises(EnvironmentMissing, match="is not known"):
        package_of(replace(KERNEL, package=None))
