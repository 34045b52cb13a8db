# SPDX-License-Identifier: MIT
"""List, check and remove entries of the cache."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lppack import entries, store

#: The kinds of entries: folder of the cache, and a description.
KINDS = {
    "apt": "package lists",
    "bundles": "bundles, built",
    "consoles": "consoles of guests",
    "downloads": "packages that several kernels need",
    "engines": "lppack_engine.ko, built",
    "facts": "symbols, types and inlining of kernels",
    "failed": "logs and sources of builds that failed",
    "finished": "modules of patches, linked and signed",
    "images": "facts about compiler images",
    "initramfs": "roots of guests",
    "kernels": "kernels with headers, unpacked",
    "modules": "modules of patches, built",
    "objects": "object files of kernels' sources",
    "packages": "other packages, unpacked",
    "probes": "options that compilers accept",
    "programs": "programs of guests and tests, built",
    "sources": "sources of kernels",
    "vmlinux": "vmlinux of kernels, unpacked",
}
#: Kinds without digests of lppack: apt checks its own files; people read the others, or each file
#: contains its own digest.
_WITHOUT = frozenset(("apt", "consoles", "failed", "finished", "objects", "probes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One file or folder of the cache, which is removed as a whole."""

    kind: str
    path: Path
    size: int  # bytes
    used: float  # when it was last used, as time.time()


def listed() -> tuple[CacheEntry, ...]:
    """Return every entry of the cache."""
    found = []
    for kind in KINDS:
        for path in _paths(store.cache_dir() / kind):
            found.append(CacheEntry(kind=kind, path=path, size=_size(path), used=_used(path)))
    return tuple(found)


def _paths(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            # Records of apt's last output, and lock files of an older version of lppack.
            if not path.name.startswith(".") and path.suffix not in (".json", ".lock"):
                yield path


def _size(path: Path) -> int:
    if path.is_dir() and (known := entries.size(path)) is not None:
        return known
    if (tree := path / "tree").is_dir():  # sources
        rest = (_size(file) for file in path.iterdir() if file != tree)
        return _size(tree) + sum(rest)
    total = 0
    for at, _, files in os.walk(path):
        total += sum((Path(at) / name).lstat().st_size for name in files)
    return total if path.is_dir() else path.lstat().st_size


def _used(path: Path) -> float:
    inside = [path / "tree"] if path.parent.name == "sources" else []
    times = [path.stat().st_mtime]
    for one in (entries.record_of(path), *map(entries.record_of, inside)):
        if one.is_file():
            times.append(one.stat().st_mtime)
    return max(times)


def damaged(entry: CacheEntry) -> list[str]:
    """Compare all digests of an entry; return what is wrong."""
    if entry.kind in _WITHOUT:
        return []
    if entry.kind != "sources":
        return entries.faults(entry.path, deep=True)
    found = []
    for path in sorted(entry.path.iterdir()):
        if not path.name.startswith("."):
            found += entries.faults(path, deep=True)
    return found


def chosen(
    found: tuple[CacheEntry, ...], *, older: float | None, max_size: int | None
) -> list[CacheEntry]:
    """Return the entries to remove.

    These are entries that were not used for ``older`` seconds, and the least recently used ones
    until the rest has at most ``max_size`` bytes.
    """
    now, left = time.time(), sum(entry.size for entry in found)
    picked = []
    for entry in sorted(found, key=lambda entry: entry.used):
        is_old = older is not None and now - entry.used >= older
        if is_old or (max_size is not None and left > max_size):
            picked.append(entry)
            left -= entry.size
    return picked


def remove(entry: CacheEntry) -> bool:
    """Remove an entry; return False if a process uses it."""
    return entries.remove(entry.path)


def sweep() -> None:
    """Remove unfinished files of processes that died."""
    store.sweep_scratch()
    places = [store.cache_dir(), *(store.cache_dir() / kind for kind in KINDS)]
    for folder in (*places, *(store.cache_dir() / "sources").glob("*")):
        if folder.is_dir():
            store.sweep(folder)
