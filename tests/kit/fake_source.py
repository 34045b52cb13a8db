# SPDX-License-Identifier: MIT
"""A package source in memory."""

import io
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lppack import proc
from lppack.errors import EnvironmentMissing

BANNER = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.9-1 (2026-01-01)"
RELEASE = "6.1.0-9-amd64"


def vmlinuz(release: str = RELEASE, version: str = BANNER) -> bytes:
    head = bytearray(0x300)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x80)
    text = f"{release} (builder@invalid) {version}".encode() + b"\0"
    head[0x280 : 0x280 + len(text)] = text
    return bytes(head)


def make_tree(root: Path, release: str = RELEASE, version: str = BANNER) -> Path:
    (root / "boot").mkdir(parents=True, exist_ok=True)
    (root / f"boot/vmlinuz-{release}").write_bytes(vmlinuz(release, version))
    (root / f"boot/config-{release}").write_text("CONFIG_LIVEPATCH=y\n")
    return root


@dataclass
class FakeSource:
    """Packages made on the spot; counts what is asked."""

    offers: dict[str, dict[str, str]]  # name -> version -> suite
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stamp: str = "1"
    fresh: bool = True
    age: float = 0.0
    downloads: list[str] = field(default_factory=list)
    asked: int = 0
    more: "tuple[FakeSource, ...]" = ()

    def others(self) -> "Iterator[FakeSource]":
        yield from self.more

    def update(self, *, fresh: bool = False) -> None:
        self.stamp = str(int(self.stamp) + 1)

    def package_names(self, prefix: str) -> tuple[str, ...]:
        self.asked += 1
        return tuple(sorted(name for name in self.offers if name.startswith(prefix)))

    def candidate(self, name: str) -> str | None:
        self.asked += 1
        return next(iter(self.offers.get(name, {})), None)

    def versions(self, name: str) -> dict[str, str]:
        self.asked += 1
        return self.offers.get(name, {})

    def depends(self, name: str, version: str) -> tuple[str, ...]:
        self.asked += 1
        return self.needs.get(name, ())

    def download(self, name: str, version: str | None, into: Path) -> Path:
        if version not in self.offers.get(name, {}):
            raise EnvironmentMissing(f"no {name} {version}")
        self.downloads.append(f"{name}={version}")
        tree = into / "tree"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: x <x@invalid>\nDescription: x\n"
        )
        kind, _, release = name.removeprefix("linux-").partition("-")
        home = tree / "usr/lib/modules" / release
        home.mkdir(parents=True)
        if kind == "image" and f"linux-binary-{release}" not in self.offers:
            make_tree(tree, release)
        elif kind == "binary":
            (home / "vmlinuz").write_bytes(vmlinuz(release, BANNER))
        elif kind == "base":
            (home / "config").write_text("CONFIG_LIVEPATCH=y\n")
        (tree / "usr/src" / name).mkdir(parents=True)
        (tree / "bin").mkdir(exist_ok=True)
        (tree / "bin/tool").write_text(f"{version}")
        file = into / f"{name}.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(file)],
            check=True,
            capture_output=True,
            timeout=30,
        )
        subprocess.run(["rm", "-r", str(tree)], check=True, timeout=30)
        return file


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
