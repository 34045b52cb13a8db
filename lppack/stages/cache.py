# SPDX-License-Identifier: MIT
"""What the cache holds: listed, checked, and removed where no process uses it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lppack import entries, store

#: Each kind is a folder of the cache -> what is in it.
KINDS = {
    "apt": "package lists",
    "bundles": "bundles, built",
    "consoles": "consoles of guests",
    "downloads": "packages that several kernels need",
    "engines": "lppack_engine.ko, built",
    "facts": "symbols, types and inlining of kernels",
    "failed": "logs and sources of builds that failed",
    "finished": "modules of patches, linked and signed",
    "images": "what is known of compiler images",
    "initramfs": "roots of guests",
    "kernels": "kernels with headers, unpacked",
    "modules": "modules of patches, built",
    "objects": "object files of kernels' sources",
    "packages": "other packages, unpacked",
    "probes": "which options compilers take",
    "programs": "programs of guests and tests, built",
    "sources": "sources of kernels",
    "vmlinux": "kernels out of their images",
}
#: Kinds whose entries have no digests of lppack's: apt checks its own, the others are read by
#: people, or each file in them has its own.
_WITHOUT = frozenset(("apt", "consoles", "failed", "finished", "objects", "probes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One thing that is kept, and removed as a whole."""

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
            # Notes of what apt last said, and locks of an older lppack.
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
    """Return what to remove: not used for ``older`` seconds; the longest unused of what exceeds
    ``max_size`` bytes in all."""
    now, left = time.time(), sum(entry.size for entry in found)
    picked = []
    for entry in sorted(found, key=lambda entry: entry.used):
        is_old = older is not None and now - entry.used >= older
        if is_old or (max_size is not None and left > max_size):
            picked.append(entry)
            left -= entry.size
    return picked


def remove(entry: CacheEntry) -> bool:
    """Remove an entry; False: a process uses it."""
    return entries.remove(entry.path)


def sweep() -> None:
    """Remove what processes that died have left unfinished."""
    store.sweep_scratch()
    places = [store.cache_dir(), *(store.cache_dir() / kind for kind in KINDS)]
    for folder in (*places, *(store.cache_dir() / "sources").glob("*")):
        if folder.is_dir():
            store.sweep(folder)
