# SPDX-License-Identifier: MIT
"""Histograms of how long visits take, as funclatency and offcpudist of bcc print them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from lppack.forecast.reading import Faults, lines_of

SIZE_MAX = 16 << 20
VALUE_MAX = 1 << 64

_UNITS = {"nsecs": 1e-9, "usecs": 1e-6, "msecs": 1e-3, "secs": 1.0}
_HEADER = re.compile(r"\s*(nsecs|usecs|msecs|secs)\s*: count\s+distribution\s*")
_ROW = re.compile(r"\s*([0-9]{1,20}) -> ([0-9]{1,20})\s*: ([0-9]{1,20})\s*\|.*")
_SUM = re.compile(r"avg = [0-9]+ (\w+), total: ([0-9]{1,20}) \w+, count: ([0-9]{1,20})\s*")
_SECTION = re.compile(r"(?:Function|[Pp]id) = (.+)")
_QUOTED = re.compile(r"b?'([^']*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Visits counted by length: ``buckets`` are (from, below, count), lengths in seconds."""

    path: Path
    function: str | None  # name in the file (funclatency -F); None: the file has none
    buckets: tuple[tuple[float, float, int], ...]
    mean: float | None  # seconds, if the tool prints the sum; None: only buckets

    @property
    def visits(self) -> int:
        return sum(count for _, _, count in self.buckets)


@dataclass(slots=True)
class _Part:
    """A section that is being read; if it is printed again (-i), the counts are added."""

    counts: dict[tuple[float, float], int] = field(default_factory=dict)
    total: float = 0.0
    summed: int = 0
    #: Lengths of the current table, until its sum line is read.
    table: list[tuple[float, float, int]] = field(default_factory=list)


def read_histograms(path: Path) -> tuple[Histogram, ...]:
    """Return the histograms in ``path``, one for each function that it names, or one without a
    name.

    Raise ManifestError with file, line and column of what is not a row of a histogram; also if the
    file holds no visit at all.
    """
    faults = Faults(path, "histogram")
    parts: dict[str | None, _Part] = {}
    name: str | None = None
    unit = 0.0  # 0: no table has begun
    for number, text in lines_of(path, faults, size_max=SIZE_MAX):
        if match := _SECTION.fullmatch(text.strip()):
            quoted = _QUOTED.match(match[1])
            name, unit = (quoted[1] if quoted else match[1].split(" ")[0]), 0.0
        elif match := _HEADER.fullmatch(text):
            unit = _UNITS[match[1]]
            parts.setdefault(name, _Part()).table = []
        elif match := _SUM.fullmatch(text.strip()):
            if name in parts and unit:
                _add_sum(parts[name], int(match[2]), int(match[3]), unit)
        elif " -> " in text:
            _add_row(parts, name, number, text, unit, faults)
    faults.refuse()
    made = tuple(_made(path, name, part) for name, part in parts.items())
    made = tuple(histogram for histogram in made if histogram.visits)
    if not made:
        faults.add(1, "holds no histogram with a visit", "give what funclatency FUNCTION printed")
        faults.refuse()
    return made


def _add_row(
    parts: dict[str | None, _Part],
    name: str | None,
    number: int,
    text: str,
    unit: float,
    faults: Faults,
) -> None:
    match = _ROW.fullmatch(text)
    if not match or not unit:
        faults.add(
            number,
            "is not a row of a histogram" if unit else "a row before a line that names its unit",
            "`usecs : count distribution` comes first, then rows `LOW -> HIGH : COUNT |...|`",
        )
        return
    low, high, count = (int(match[i]) for i in (1, 2, 3))
    part = parts[name]
    if high < low or high >= VALUE_MAX or count >= VALUE_MAX:
        faults.add(number, f"{low} -> {high} : {count} is no bucket")
    elif part.table and low * unit < part.table[-1][1] * (1 - 1e-9):
        faults.add(number, f"{low} -> {high} overlaps the row above", "rows go upward")
    else:
        part.table.append((low * unit, (high + 1) * unit, count))
        key = part.table[-1][:2]
        part.counts[key] = part.counts.get(key, 0) + count


def _add_sum(part: _Part, total: int, count: int, unit: float) -> None:
    """Add the sum line of a table; older funclatency prints a wrong unit, which the buckets
    correct."""
    rows = sum(row[2] for row in part.table)
    if not rows or abs(count - rows) > 0.05 * rows:  # counted apart, it may be off by a few
        return
    low, high = (sum(row[i] * row[2] for row in part.table) for i in (0, 1))
    for scale in (unit, 1e-9):
        if low * 0.95 <= total * scale <= high * 1.05:
            part.total += total * scale
            part.summed += count
            return


def _made(path: Path, name: str | None, part: _Part) -> Histogram:
    buckets = tuple((*bounds, count) for bounds, count in sorted(part.counts.items()))
    visits = sum(part.counts.values())
    whole = part.summed and abs(part.summed - visits) <= 0.05 * visits
    return Histogram(
        path=path,
        function=name,
        buckets=tuple(bucket for bucket in buckets if bucket[2]),
        mean=part.total / part.summed if whole else None,
    )
