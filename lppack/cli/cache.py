# SPDX-License-Identifier: MIT
"""cache: show, check and shrink lppack's cache."""

import re
import time
from typing import TYPE_CHECKING

import click

from lppack import pipeline
from lppack.cli.output import FORMAT, note, result, table
from lppack.errors import AnswerIsNo

if TYPE_CHECKING:
    from lppack.pipeline.cache import CacheReport
    from lppack.stages.cache import CacheEntry

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _span(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    return _number(value, _SPANS, "a time like 30d, 12h or 90m")


def _bytes(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    found = _number(value, _UNITS, "a size like 20G or 500M")
    return None if found is None else int(found)


def _number(value: str | None, units: dict[str, int], like: str) -> float | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]?)", value)
    if match is None or match[2] not in units:
        raise click.BadParameter(f'"{value}" is not {like}')
    return float(match[1]) * units[match[2]]


@click.command()
@click.option("--verify", is_flag=True, help="Compare every file with its recorded digest.")
@click.option(
    "--prune",
    is_flag=True,
    help="Remove the entries that the other options select, unless they are in use.",
)
@click.option(
    "--older",
    metavar="TIME",
    callback=_span,
    help="With --prune: select entries that were not used for this long: 30d, 12h.",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=_bytes,
    help="With --prune: select the least recently used entries, until the cache is at most "
    "this large: 20G.",
)
@FORMAT
def cache(
    verify: bool, prune: bool, older: float | None, max_size: int | None, format_: str
) -> None:
    """Show what the cache holds, check it, and remove entries that are no longer used.

    Everything in the cache can be fetched or built again. --verify --prune removes damaged entries.

    \b
    Example:
      lppack cache
      lppack cache --prune --older 30d --max-size 20G
    """
    limited = older is not None or max_size is not None
    if limited and not prune:
        raise click.UsageError("--older and --max-size require --prune")
    if prune and not (limited or verify):
        raise click.UsageError("--prune needs --older, --max-size or --verify")
    done = pipeline.shrink_cache(verify=verify, prune=prune, older=older, max_size=max_size)
    report = {
        "ok": not done.bad,
        "cache": str(done.folder),
        "size": sum(entry.size for entry in done.kept),
        "entries": [_json(entry) for entry in done.kept],
        "removed": [_json(entry) for entry in done.removed],
        "in_use": [str(entry.path) for entry in done.in_use],
        "damaged": list(done.damaged),
    }
    if format_ != "json":
        _show(done)
        for fault in done.damaged:
            note(f"damaged: {fault}")
        for entry in done.removed:
            note(f"removed: {entry.path} ({_size(entry.size)})")
        for entry in done.in_use:
            note(f"in use, not removed: {entry.path}")
    if done.bad:
        raise AnswerIsNo(
            f"{done.bad} of {len(done.kept) + len(done.removed)} entries are damaged",
            hint="run: lppack cache --verify --prune; lppack fetches or builds them again "
            "when needed",
            report=report,
        )
    if format_ == "json":
        result(report)


def _show(done: "CacheReport") -> None:
    found = done.kept
    rows: list[tuple[str, ...]] = [("KIND", "ENTRIES", "SIZE", "LAST USE", "WHAT")]
    for kind, what in done.kinds.items():
        of = [entry for entry in found if entry.kind == kind]
        if of:
            last = time.strftime("%Y-%m-%d", time.localtime(max(entry.used for entry in of)))
            size = _size(sum(entry.size for entry in of))
            rows.append((kind, str(len(of)), size, last, what))
    rows.append(("all", str(len(found)), _size(sum(entry.size for entry in found)), "", ""))
    table(rows)


def _json(entry: "CacheEntry") -> dict[str, object]:
    return {
        "kind": entry.kind,
        "path": str(entry.path),
        "size": entry.size,
        "last_use": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.used)),
    }


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit in ("B", "KB") else f"{size:.1f} {unit}"
