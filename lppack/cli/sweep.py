# SPDX-License-Identifier: MIT
"""simulate --sweep: the parameters of a grid as they are typed, and what is found at each point."""

import difflib
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lppack import pipeline
from lppack.cli.output import note, result, table
from lppack.consistency import EngineName, ModeName
from lppack.errors import AnswerIsNo

if TYPE_CHECKING:
    from lppack.analyse.sweep import SampledPoint, SweptPoint

POINTS_MAX = 100_000
_SEEDS_MAX = 2**32 - 1
Value = Callable[[str], Any]

SWEEP = click.option(
    "--sweep",
    metavar="NAME=VALUES",
    multiple=True,
    help="Explore every combination of these values, as mode=hybrid,kpatch or threads=1..8. May be "
    "given again. NAME: mode, threads, kthreads, objects, preempted; with --sample: mode, timeout, "
    "hook, seed.  [default of mode: all]",
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --sweep: processes at the same time; if not given, as many as there are processors.",
)
FARM = click.option(
    "--farm",
    metavar="ADDRESS",
    help="With --sweep: on the workers of this dask scheduler, as tcp://HOST:8786, instead of "
    "here.",
)


def of_sweep(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options about sweeps."""
    for option in (FARM, JOBS, SWEEP):
        command = option(command)
    return command


def _choice(values: Mapping[str, Any]) -> Value:
    def read(word: str) -> Any:
        if word not in values:
            close = difflib.get_close_matches(word, values, n=1)
            known = f"did you mean {close[0]}?" if close else f"there are: {', '.join(values)}"
            raise ValueError(f"has no value {word!r}; {known}")
        return values[word]

    return read


def _number(low: int, high: int) -> Value:
    def read(word: str) -> int:
        # int() refuses thousands of digits: leading zeros say nothing, and more than these are not
        # in the range.
        digits = word.lstrip("0")[:20] or word[:1]
        if not (word.isascii() and word.isdigit()) or not low <= int(digits) <= high:
            raise ValueError(f"takes whole numbers from {low} to {high}, and ranges 1..4: {word!r}")
        return int(digits)

    return read


def _time(word: str) -> float:
    try:
        found = float(word)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found >= 0.1):
        raise ValueError(f"takes seconds, 0.1 at least: {word!r}")
    return found


_MODE = _choice({mode.value: mode for mode in ModeName})
_EXPLORE: Mapping[str, Value] = {
    "mode": _MODE,
    "threads": _number(1, 64),
    "kthreads": _number(0, 64),
    "objects": _number(1, 4),
    "preempted": _choice(
        {"no": None, "livepatch": EngineName.LIVEPATCH, "consistency": EngineName.CONSISTENCY}
    ),
}
_SAMPLE: Mapping[str, Value] = {
    "mode": _MODE,
    "timeout": _time,
    "hook": _choice({"own": None, "exit": "exit", "tick": "tick"}),
    "seed": _number(0, _SEEDS_MAX),
}


def axes_of(
    words: Sequence[str], fixed: Mapping[str, Any], *, sample: bool
) -> dict[str, tuple[Any, ...]]:
    """Read the values of --sweep; ``fixed`` are other options, for every point. Raise
    UsageError."""
    known = _SAMPLE if sample else _EXPLORE
    axes: dict[str, tuple[Any, ...]] = {"mode": tuple(ModeName)}
    given = set()
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not values:
            raise click.UsageError(f"--sweep takes NAME=VALUES, not {word!r}")
        if name not in known:
            raise click.UsageError(_unknown(name, sample=sample))
        if name in given:
            raise click.UsageError(f"--sweep {name} was given twice: list its values once")
        given.add(name)
        try:
            axes[name] = tuple(dict.fromkeys(_values(values, known[name])))
        except ValueError as error:
            raise click.UsageError(f"--sweep {name} {error}") from None
    for name, value in fixed.items():
        if value is not None and name in given:
            raise click.UsageError(f"--sweep {name} excludes --{name}")
        if value is not None:
            axes[name] = (value,)
    count = math.prod(map(len, axes.values()))
    if count > POINTS_MAX:
        each = " x ".join(f"{len(values)} {name}" for name, values in axes.items())
        raise click.UsageError(
            f"{each} are {count} points; at most {POINTS_MAX} are allowed: give fewer values"
        )
    return axes


def _unknown(name: str, *, sample: bool) -> str:
    known, other = (_SAMPLE, _EXPLORE) if sample else (_EXPLORE, _SAMPLE)
    if name in other:
        return f"--sweep {name} " + ("excludes --sample" if sample else "requires --sample")
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
    return f"--sweep has no parameter {name!r}; {hint}"


def _values(words: str, read: Value) -> list[Any]:
    found: list[Any] = []
    for word in words.split(","):
        first, dots, last = word.partition("..")
        if not dots:
            found.append(read(word))
            continue
        low, high = read(first), read(last)
        if not (isinstance(low, int) and isinstance(high, int)):
            raise ValueError(f"has no ranges: {word!r}")
        if high < low or high - low >= POINTS_MAX:
            raise ValueError(
                f"takes ranges as 1..4, with at most {POINTS_MAX} values, not {word!r}"
            )
        found += range(low, high + 1)
    return found


def where(jobs: int | None, farm: str | None) -> pipeline.Where:
    """Read where the points are done. Raise UsageError."""
    if jobs and farm:
        raise click.UsageError("--jobs excludes --farm: its workers say how much they do")
    return pipeline.Where(jobs=jobs or os.cpu_count() or 1, farm=farm)


def run(
    patch: Path,
    axes: Mapping[str, Sequence[Any]],
    *,
    sample: bool,
    where: pipeline.Where,
    format_: str,
    **files: Any,
) -> None:
    """Raise AnswerIsNo if no mode that covers the needs was shown to hold at every point."""
    swept = (
        pipeline.sample_grid(patch, axes, where, _told(axes), **files)
        if sample
        else pipeline.explore_grid(patch, axes, where, _told(axes))
    )
    if not swept.rows:
        raise click.UsageError("no engine gives any of these modes with `preempted` as it is given")
    report = {
        "points": [_json(row) for row in swept.rows],
        "usable": [name.value for name in swept.usable],
        "left_out": sum(swept.left_out.values()),
    }
    if format_ != "json":
        _show(swept, axes)
    elif swept.usable:
        result({"ok": True, **report})
    if swept.empty:
        raise AnswerIsNo(
            f"{patch}: no mode is shown to hold, because {swept.empty}",
            hint=f"see what is assumed: lppack simulate {patch}; and what `needs` can declare: "
            "lppack explain SWITCH",
            report=report,
        )
    if not swept.usable:
        raise AnswerIsNo(
            f"{patch}: no mode that covers the needs was shown to hold at every point",
            hint=f"see how it goes wrong: lppack simulate {patch} --compare",
            report=report,
        )


def _told(axes: Mapping[str, Sequence[Any]]) -> Callable[[int], None]:
    """Print each tenth."""
    whole = math.prod(map(len, axes.values()))
    tenths = 0

    def tell(done: int) -> None:
        nonlocal tenths
        if whole >= 100 and done * 10 // whole > tenths:
            tenths = done * 10 // whole
            note(f"{done} of {whole} points")

    return tell


def _json(row: "SweptPoint") -> dict[str, Any]:
    return _explored_json(row) if hasattr(row, "reached") else _sampled_json(row)


def _explored_json(row: Any) -> dict[str, Any]:
    point = row.point
    return {
        "mode": point.mode.value,
        "threads": point.threads,
        "kthreads": point.kthreads,
        "objects": point.objects,
        "preempted": point.preempted.value if point.preempted else None,
        "verdict": str(row.verdict),
        "reached": list(row.reached),
        "states": row.states,
        "events": row.events,
        "whole": row.whole,
        "covers": row.covers,
    }


def _sampled_json(row: "SampledPoint") -> dict[str, Any]:
    from lppack.cli.sample import sample_json

    made = row.sampled
    told = sample_json(made.mode, made.prediction)
    return {**told, "hook": row.point.hook or "own", "covers": row.covers}


def _show(swept: pipeline.Swept, axes: Mapping[str, Sequence[Any]]) -> None:
    explored = hasattr(swept.rows[0], "reached")
    last = ("states", "reached") if explored else ("no end", "median", "9 of 10")
    rows: list[tuple[str, ...]] = [(*axes, "verdict", *last)]
    for row in swept.rows:
        words = [_word(name, getattr(row.point, name)) for name in axes]
        verdict = f"{row.verdict}{'' if row.covers else '*'}"
        found = _explored(row) if hasattr(row, "reached") else _sampled(row)
        rows.append((*words, verdict, *found))
    table(rows)
    if not all(row.covers for row in swept.rows):
        click.echo("* weaker than the needs: it is never applied")
    click.echo()
    counts = Counter((row.point.mode, str(row.verdict)) for row in swept.rows)
    for (mode, verdict), count in counts.items():
        note(f"{mode}: {count} {verdict}")
    if any(row.verdict == "undecided" for row in swept.rows):
        note(
            "undecided: more states than are explored; sweep fewer threads, or `simulate` it alone"
        )
    if swept.left_out:
        count, modes = sum(swept.left_out.values()), ", ".join(swept.left_out)
        note(
            f"{count} points left out, of {modes}: that engine does not give the mode, which is "
            "therefore not said to hold at every point"
        )
    if swept.usable:
        click.echo(f"cover the needs, and hold at every point: {', '.join(swept.usable)}")


def _word(name: str, value: Any) -> str:
    if value is None:
        return {"preempted": "no", "hook": "own"}[name]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _explored(row: Any) -> tuple[str, str]:
    states = f"{row.states}{'' if row.whole else ', not all'}"
    return states, " ".join(row.reached) or "-"


def _sampled(row: "SampledPoint") -> tuple[str, str, str]:
    from lppack.analyse.words import seconds, share

    made = row.sampled.prediction
    times = dict(made.times)
    return share(made.stall), seconds(times.get("p50")), seconds(times.get("p90"))
