# SPDX-License-Identifier: MIT
"""List, check and shrink the cache."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lppack import store
from lppack.stages import cache
from lppack.stages.cache import CacheEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheReport:
    """The entries of the cache, after checking and pruning."""

    folder: Path
    kinds: Mapping[str, str]  # kind of entry -> what is in it
    kept: tuple[CacheEntry, ...]
    removed: tuple[CacheEntry, ...]
    in_use: tuple[CacheEntry, ...]  # not removed, because a process uses them
    damaged: tuple[str, ...]  # each fault that was found
    bad: int  # entries that are damaged and still there


def shrink_cache(
    *, verify: bool, prune: bool, older: float | None, max_size: int | None
) -> CacheReport:
    """List the cache; with ``verify`` check it; with ``prune`` remove entries.

    Removed are entries that are damaged, were not used for ``older`` seconds, or exceed
    ``max_size`` bytes in total, unless a process uses them.
    """
    if prune:
        cache.sweep()
    found = cache.listed()
    faults = {entry: cache.damaged(entry) for entry in found} if verify else {}
    wrong = [entry for entry in found if faults.get(entry)]
    limited = prune and (older is not None or max_size is not None)
    doomed = cache.chosen(found, older=older, max_size=max_size) if limited else []
    doomed += [entry for entry in wrong if prune and entry not in doomed]
    gone = [entry for entry in doomed if cache.remove(entry)]
    return CacheReport(
        folder=store.cache_dir(),
        kinds=cache.KINDS,
        kept=tuple(entry for entry in found if entry not in gone),
        removed=tuple(gone),
        in_use=tuple(entry for entry in doomed if entry not in gone),
        damaged=tuple(fault for entry in wrong for fault in faults[entry]),
        bad=sum(entry not in gone for entry in wrong),
    )
