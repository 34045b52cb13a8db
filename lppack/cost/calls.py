# SPDX-License-Identifier: MIT
"""How often functions were called on a host: files that other tools have written there.

Supported are the output of bcc's `funccount`, the function profile of ftrace
(trace_stat/functionN), and the output of `perf stat`, `perf report` and `perf script` with a probe
on each function. A time profile is refused: it shows how long functions run, not how often they are
called.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lppack.forecast.reading import Faults, lines_of

SIZE_MAX = 256 << 20
COUNT_MAX = 1 << 63
FUNCTIONS_MAX = 1 << 20
SECONDS_MAX = 10 * 365 * 86400.0
RULE = "calls"


class CallSource(StrEnum):
    """The program that wrote a file."""

    FUNCCOUNT = "funccount"
    PROFILE = "function profile of ftrace"
    STAT = "perf stat"
    REPORT = "perf report"
    SCRIPT = "perf script"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFile:
    """The content of one file. A function that it does not name was not counted; that does not mean
    0."""

    path: Path
    kind: CallSource
    counts: dict[str, int]
    seconds: float | None  # duration of counting; None: not in the file
    cycles_per_instruction: float | None = None
    ghz: float | None = None


_NAME = r"[A-Za-z_][\w.$]{0,511}"
_COUNT = r"\d{1,3}(?:,\d{3}){1,6}|\d{1,20}"
_FUNCCOUNT = re.compile(r"\s*(?P<address>ADDR +)?FUNC +COUNT\s*")
_FUNCCOUNT_ROW = re.compile(rf"(?:b'({_NAME})'|({_NAME}))(?: \[\w+\])? +(\d{{1,20}})")
_ADDRESS = re.compile(r"(?:0x)?[0-9a-f]{1,16} +")
_PROFILE = re.compile(r"\s*Function\s+Hit(?:\s.*)?")
_PROFILE_ROW = re.compile(rf"\s*({_NAME})\s+(\d{{1,20}})(?:\s+\d+\.\d+ us){{0,3}}\s*")
_STAT = re.compile(r"\s*Performance counter stats for .*")
_STAT_ROW = re.compile(rf"\s*({_COUNT}|<not (?:counted|supported)>) +([^\s#]+)\s*(?:#.*|\(.*\))?")
_STAT_TIMED = re.compile(r"\s*[\d,.]+ (?:msec|ns|Joules|C|MiB) +.*")
_ELAPSED = re.compile(r"\s*(\d{1,12}[.,]\d{1,9})(?:\s+\+-.*)? seconds time elapsed.*")
_GHZ = re.compile(r"# +(\d{1,3}\.\d{1,6}) GHz")
_REPORT = re.compile(r"# Samples: .* of events? '([^']*)'.*")
_APPROX = re.compile(r"# Event count \(approx\.\): (\d{1,20})")
_SCRIPT = re.compile(
    r"\s*\S.*?\s\d+(?:/\d+)?\s+(?:\[\d+\]\s+)?(\d{1,12}\.\d{6,9}):\s+(?:(\d{1,20})\s+)?"
    r"([A-Za-z_][\w.-]*(?::[\w.-]+)*)(?::[a-zA-Z]*)?:\s*.*"
)
#: `perf probe --add tcp_v4_rcv` names the event probe:tcp_v4_rcv; a second one has _1 at its end.
_EVENT = re.compile(rf"(?:probe|kprobes):({_NAME})(?::[a-zA-Z]+)?")
_RETURN = "__return"
_HINT = (
    "give what funccount printed, ftrace's trace_stat/functionN, or what perf stat, perf report "
    "or perf script print of probes"
)
_PROBE = "put a probe on each function: perf probe --add FUNCTION; perf stat -a -e 'probe:*'"


@dataclass(slots=True)
class _Reader:
    """The state of reading one file."""

    faults: Faults
    kind: CallSource | None = None
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float | None = None
    cycles: int | None = None
    instructions: int | None = None
    ghz: float | None = None
    address: bool = False  # funccount of old: a column of addresses first
    rows: bool = False  # a table of rows is being read
    event: str | None = None  # of perf report: which is counted next
    first: float | None = None
    last: float | None = None

    def add(self, line: int, name: str, count: int) -> None:
        self.counts[name] += count
        if self.counts[name] >= COUNT_MAX:
            self.faults.add(line, f"{self.counts[name]} is not a number of calls")
            self.counts[name] = 0
        if len(self.counts) > FUNCTIONS_MAX:
            self.faults.add(line, f"more than {FUNCTIONS_MAX} functions")
            self.faults.refuse()

    def function_of(self, line: int, event: str) -> str | None:
        """Return the function that an event counts; None, and a fault, for any other event."""
        match = _EVENT.fullmatch(event)
        if match and not match[1].endswith(_RETURN):
            return match[1]
        why = (
            "counts returns, not calls"
            if match
            else "is not a probe of a function: it does not count calls"
        )
        self.faults.add(line, f"{event[:80]} {why}", _PROBE)
        return None


def read_calls(path: Path) -> CallFile:
    """Return the counted calls in ``path``.

    Raise ManifestError, with file, line and column, for text that is not understood, and if the
    file counts no function.
    """
    faults = Faults(path, RULE)
    reader = _Reader(faults)
    for number, text in lines_of(path, faults, size_max=SIZE_MAX):
        kind = _kind(text, reader.kind)
        if kind is not None:
            if reader.kind not in (None, kind):
                faults.add(number, f"{kind} begins in a file of {reader.kind}", "give two files")
                faults.refuse()
            reader.kind = kind
        if reader.kind is not None:
            _READERS[reader.kind](reader, number, text)
    faults.refuse()
    if reader.kind is None:
        faults.add(1, "is not a count of calls", _HINT)
    elif not reader.counts:
        faults.add(1, f"counts no function, as {reader.kind} would", _HINT)
    faults.refuse()
    assert reader.kind is not None
    return CallFile(
        path=path,
        kind=reader.kind,
        counts=dict(reader.counts),
        seconds=reader.seconds if reader.kind is not CallSource.SCRIPT else _span(reader),
        cycles_per_instruction=(
            reader.cycles / reader.instructions if reader.cycles and reader.instructions else None
        ),
        ghz=reader.ghz,
    )


def _kind(text: str, known: CallSource | None) -> CallSource | None:
    """Return the program whose output begins with this line; None if it is none."""
    for pattern, kind in (
        (_FUNCCOUNT, CallSource.FUNCCOUNT),
        (_PROFILE, CallSource.PROFILE),
        (_STAT, CallSource.STAT),
        (_REPORT, CallSource.REPORT),
    ):
        if pattern.fullmatch(text):
            return kind
    return CallSource.SCRIPT if known is None and _SCRIPT.fullmatch(text) else None


def _span(reader: _Reader) -> float | None:
    """Return the time between the first and last call; the real duration is slightly longer."""
    if reader.first is None or reader.last is None or reader.last <= reader.first:
        return None
    return reader.last - reader.first


def _funccount(reader: _Reader, line: int, text: str) -> None:
    if head := _FUNCCOUNT.fullmatch(text):
        reader.rows, reader.address = True, bool(head["address"])
        return
    row = text.strip()
    if not row or row.startswith(("Tracing ", "Detaching", "^C")) or not reader.rows:
        reader.rows = reader.rows and bool(row)
        return
    match = _FUNCCOUNT_ROW.fullmatch(_ADDRESS.sub("", row, count=1) if reader.address else row)
    if not match:
        reader.faults.add(line, "is not a row of funccount", "a row is FUNCTION COUNT")
        return
    reader.add(line, match[1] or match[2], int(match[3]))


def _profile(reader: _Reader, line: int, text: str) -> None:
    row = text.strip()
    if not row or _PROFILE.fullmatch(text) or set(row) <= {"-", " "}:
        return
    match = _PROFILE_ROW.fullmatch(text)
    if not match:
        reader.faults.add(line, "is not a row of a function profile", "a row is FUNCTION HIT ...")
        return
    reader.add(line, match[1], int(match[2]))


def _stat(reader: _Reader, line: int, text: str) -> None:
    if match := _ELAPSED.fullmatch(text):
        elapsed = float(match[1].replace(",", "."))
        if not 0 < elapsed <= SECONDS_MAX:
            reader.faults.add(line, f"{match[1]} s is not a time to count in")
        elif reader.seconds is not None:
            reader.faults.add(line, "a second result of perf stat", "give two files")
            reader.faults.refuse()
        reader.seconds = elapsed
        return
    if not text.strip() or _STAT.fullmatch(text) or _STAT_TIMED.fullmatch(text):
        return
    if text.rstrip().endswith(("seconds user", "seconds sys")):
        return
    match = _STAT_ROW.fullmatch(text)
    if not match:
        reader.faults.add(
            line, "is no row of perf stat", "a row is COUNT EVENT; call perf stat without -I and -A"
        )
        return
    event = match[2]
    if match[1].startswith("<"):
        return  # not counted, which is not 0
    count = int(match[1].replace(",", ""))
    plain = event.partition(":")[0]
    if plain in ("cycles", "cpu-cycles"):
        reader.cycles = count
        if clock := _GHZ.search(text):
            reader.ghz = float(clock[1]) or None
    elif plain == "instructions":
        reader.instructions = count
    elif (of := _EVENT.fullmatch(event)) and not of[1].endswith(_RETURN):
        reader.add(line, of[1], count)


def _report(reader: _Reader, line: int, text: str) -> None:
    if match := _REPORT.fullmatch(text):
        reader.event = reader.function_of(line, match[1])
    elif match := _APPROX.fullmatch(text):
        if reader.event is not None:
            reader.add(line, reader.event, int(match[1]))
        reader.event = None


def _script(reader: _Reader, line: int, text: str) -> None:
    if not text.strip() or text[0] == "#" or (text[0] == " " and not _SCRIPT.fullmatch(text)):
        return  # frames of a stack are indented
    match = _SCRIPT.fullmatch(text)
    if not match:
        reader.faults.add(line, "is no event of perf script", "COMM PID [CPU] SECONDS: EVENT: ...")
        return
    function = reader.function_of(line, match[3])
    if function is None:
        return
    at = float(match[1])
    reader.first = at if reader.first is None else min(reader.first, at)
    reader.last = at if reader.last is None else max(reader.last, at)
    reader.add(line, function, int(match[2] or 1))


_READERS = {
    CallSource.FUNCCOUNT: _funccount,
    CallSource.PROFILE: _profile,
    CallSource.STAT: _stat,
    CallSource.REPORT: _report,
    CallSource.SCRIPT: _script,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRates:
    """The counts of all files together, with the machine."""

    per_second: dict[str, float]
    files: tuple[CallFile, ...]
    cycles_per_instruction: float | None
    ghz: float | None


def call_rates(paths: Sequence[Path], seconds: float | None) -> CallRates:
    """Read ``paths``; ``seconds``: duration of counting, for files that do not contain it.

    Each file of the function profile belongs to one CPU, so these counts are added. Otherwise a
    function may be in only one file. Raise ManifestError.
    """
    files: list[CallFile] = []
    rates: dict[str, float] = {}
    by: dict[str, CallFile] = {}
    for path in paths:
        faults = Faults(path, RULE)
        if path in (file.path for file in files):
            faults.add(1, "was given twice", "name each file once")
            faults.refuse()
        file = read_calls(path)
        span = file.seconds or seconds
        if span is None:
            faults.add(
                1,
                f"{file.kind} does not say how long it counted",
                "give --seconds S; for the function profile, since it was enabled",
            )
            faults.refuse()
        assert span is not None
        for name, count in file.counts.items():
            other = by.setdefault(name, file)
            if other is not file and not file.kind is other.kind is CallSource.PROFILE:
                faults.add(1, f"counts {name}, and so does {other.path}", "leave one of them out")
                continue
            rates[name] = rates.get(name, 0.0) + count / span
        faults.refuse()
        files.append(file)
    assert all(math.isfinite(rate) for rate in rates.values())
    return CallRates(
        per_second=rates,
        files=tuple(files),
        cycles_per_instruction=_first(file.cycles_per_instruction for file in files),
        ghz=_first(file.ghz for file in files),
    )


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)
