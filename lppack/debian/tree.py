# SPDX-License-Identifier: MIT
"""Unpacked kernel packages on disk: what is in one, and which suite it is of."""

import contextlib
import hashlib
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from lppack import entries, store
from lppack.debian import deb, sources
from lppack.debian.supported import RELEASES
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel
from lppack.shape import fits

#: Of an unpacked kernel, what is compared at each use; the rest is, before it is built with.
IMAGE = r"(^|/)(vmlinuz|config|lppack-kernel)[^/]*$"
_NOTE = "lppack-kernel.json"  # in the root of a tree: what the files alone do not tell


def from_tree(path: Path) -> Kernel:
    """Return the one kernel in an unpacked tree of packages: an image, its configuration,
    lib/modules, usr/src."""
    root = path.resolve()
    releases = sorted({release for folder in _homes(root) for release in _images(folder)})
    if len(releases) != 1:
        several = f"more than one kernel: {', '.join(releases)}"
        raise EnvironmentMissing(
            f"{path}: {several if releases else 'no kernel in it: ' + ' or '.join(_PLACES)}",
            hint="--kernel takes the root of the unpacked packages of one kernel: linux-image; "
            "since 6.19 linux-binary, linux-base and linux-modules",
        )
    note: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((root / _NOTE).read_text())
        note = found if fits(found, {"package": str, "suite": str}) else {}
    return kernel_in(root, releases[0], package=note.get("package"), suite=note.get("suite"))


#: Up to 7.1 the image is in boot, of linux-image or (from 6.19) of linux-binary; from 7.2 on it is
#: with the modules, and linux-base has the configuration.
_PLACES = ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz")


def _homes(root: Path) -> tuple[Path, ...]:
    return root / "boot", root / "usr/lib/modules", root / "lib/modules"


def _images(home: Path) -> Iterator[str]:
    """Yield the releases of the kernel images below ``home``."""
    if home.name == "boot":
        yield from (file.name.removeprefix("vmlinuz-") for file in home.glob("vmlinuz-*"))
    else:
        yield from (file.parent.name for file in home.glob("*/vmlinuz"))


def from_package(package: Path) -> Kernel:
    """Return the kernel in a linux-image package file, of up to 6.18; no headers come with it.

    Raise EnvironmentMissing if it holds only part of a kernel, or none.
    """
    key = hashlib.sha256(package.read_bytes()).hexdigest()[:16]
    tree = store.cache_dir() / "kernels" / f"file-{key}"

    def fill(draft: Path) -> None:
        version = deb.field(package, "Version") or ""
        deb.unpack(package, draft)
        _is_whole(package, draft)
        write_note(draft, version, suite_of_version(version) or sources.codename())

    return from_tree(entries.ensure(tree, fill, only=IMAGE))


def _is_whole(package: Path, draft: Path) -> None:
    name = deb.field(package, "Package") or ""
    part = re.match(r"linux-(?:image|binary|base|modules)-(.*)", name)
    images = [release for home in _homes(draft) for release in _images(home)]
    configs = [*draft.glob("boot/config-*"), *draft.glob("usr/lib/modules/*/config")]
    if part and not (images and configs):
        raise EnvironmentMissing(
            f"{package}: {name} is a part of a kernel: since 6.19 there are four packages of one",
            hint=f"give the release, --kernel {part[1]}; or a folder with linux-binary, linux-base,"
            " linux-modules and linux-headers of it unpacked",
        )


def kernel_in(root: Path, release: str, *, package: str | None, suite: str | None) -> Kernel:
    """Return the kernel ``release`` under ``root``; what is None is found out."""
    modules = root / "lib/modules" / release
    if not modules.is_dir() and (root / "usr/lib/modules" / release).is_dir():
        modules = root / "usr/lib/modules" / release
    image, config = root / f"boot/vmlinuz-{release}", root / f"boot/config-{release}"
    if not image.is_file() and (modules / "vmlinuz").is_file():
        image = modules / "vmlinuz"
    if not config.is_file() and (modules / "config").is_file():
        config = modules / "config"
    for needed in (image, config):
        if not needed.is_file():
            raise EnvironmentMissing(f"{needed} is missing", hint="give another --kernel")
    return Kernel(
        release=release,
        version=_version(image),
        suite=suite or suite_of_version(package or "") or sources.codename(),
        root=root,
        image=image,
        config=config,
        modules=modules,
        headers=root / f"usr/src/linux-headers-{release}",
        package=package,
    )


def _version(image: Path) -> str:
    # Documentation/x86/boot.rst (v6.1): kernel_version at 0x20e, 0x200 short of the string.
    with image.open("rb") as file:
        head = file.read(0x10000)
    if head[0x202:0x206] == b"HdrS" and len(head) >= 0x210:
        start = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
        banner = head[start:].partition(b"\0")[0].decode("ascii", errors="replace")
        if "#" in banner:
            return banner[banner.index("#") :]
    raise EnvironmentMissing(f"{image}: not a Linux kernel image for x86")


def suite_of_version(version: str) -> str | None:
    """Return the suite that a package version names; None if it names none."""
    match = re.search(r"[+~](?:deb|bpo)(\d+)", version)
    if match is None:
        return None
    # Debian's version suffixes (deb12u1, ~bpo12+1) count releases.
    return next((suite for suite, one in RELEASES.items() if one.number == match[1]), None)


def write_note(tree: Path, package: str, suite: str) -> None:
    """Keep in the tree what its files do not tell."""
    note = {"package": package, "suite": suite}
    store.write_atomic(tree / _NOTE, json.dumps(note).encode())
