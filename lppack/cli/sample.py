# SPDX-License-Identifier: MIT
"""Output of simulate --sample: when a transition finishes, and which threads delay it."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lppack import pipeline
from lppack.analyse.words import part, seconds, share, who
from lppack.cli.output import result, table
from lppack.consistency import Mode, ModeName
from lppack.errors import AnswerIsNo

if TYPE_CHECKING:
    from lppack.analyse.sample import Sampled
    from lppack.forecast.predict import Interval, Prediction

_BLOCKERS = 8  # in text; JSON has all


def show(patch: Path, every: "tuple[Sampled, ...]", *, compare: bool, format_: str) -> None:
    """Raise AnswerIsNo if the requested mode never finishes."""
    if compare:
        _compare(patch, every, format_)
        return
    mode, made, _ = every[0]
    ok = made.verdict != "never-finishes"
    if format_ == "json" and ok:
        result({"ok": True, **sample_json(mode, made)})
    elif format_ != "json":
        click.echo("\n".join(_lines(mode, made)))
    if not ok:
        raise AnswerIsNo(
            f"{patch} in mode {mode.name}: does not finish within {made.limit:g} s",
            hint=f"see every mode: lppack simulate {patch} --sample --compare",
            report=sample_json(mode, made),
        )


def _compare(patch: Path, every: "tuple[Sampled, ...]", format_: str) -> None:
    best = pipeline.recommended(every)
    told = {
        "modes": [sample_json(made.mode, made.prediction) for made in every],
        "recommended": best.value if best else None,
    }
    if format_ != "json":
        _table(every, best)
    elif best:
        result({"ok": True, **told})
    if best is None:
        raise AnswerIsNo(
            f"{patch}: no mode that covers the needs finishes",
            hint=f"to see what delays it, in one mode: lppack simulate {patch} --sample",
            report=told,
        )


def _table(every: "tuple[Sampled, ...]", best: ModeName | None) -> None:
    rows: list[tuple[str, ...]] = [("mode", "verdict", "no end", "median", "9 of 10", "held up by")]
    for mode, made, covers in every:
        times = dict(made.times)
        rows.append(
            (
                mode.name.value,
                made.verdict + ("" if covers else "*"),
                share(made.stall),
                seconds(times.get("p50")),
                seconds(times.get("p90")),
                who(made.blockers[0]) if made.blockers else "nobody",
            )
        )
    table(rows)
    if not all(made.covers for made in every):
        click.echo("* weaker than the needs: lppack never applies it")
    click.echo()
    for line in dict.fromkeys(line for made in every for line in made.prediction.unknown):
        click.echo(f"not known: {line}")
    click.echo()
    verdict = next((made.prediction.verdict for made in every if made.mode.name is best), None)
    if verdict == "finishes":
        click.echo(f"the weakest mode that covers the needs and finishes: {best}")
    elif verdict:
        click.echo(
            f"no mode that covers the needs always finishes; the weakest mode that "
            f"may finish: {best}"
        )


def _lines(mode: Mode, made: "Prediction") -> list[str]:
    flags = f"{mode.leave.name} {mode.switch.name}"
    lines = [
        f"mode {mode.name} ({flags}): {made.verdict}",
        f"  finishes at the first check: {share(made.at_once)}",
        f"  does not end within {made.limit:g} s: {share(made.stall)}",
    ]
    words = {"p50": "half are done after", "p90": "9 of 10 after", "p99": "99 of 100 after"}
    lines += [f"  {words[name]}: {seconds(time)}" for name, time in made.times]
    for holder in made.blockers[:_BLOCKERS]:
        lines.append(f"  held up by {who(holder)}: {part(holder)} of the waiting")
    if len(made.blockers) > _BLOCKERS:
        lines.append(f"  and by {len(made.blockers) - _BLOCKERS} more")
    lines += [f"not known: {line}" for line in made.unknown]
    return lines


def sample_json(mode: Mode, made: "Prediction") -> dict[str, Any]:
    return {
        "verdict": made.verdict,
        "mode": mode.name.value,
        "method": mode.method,
        "limit": made.limit,
        "seed": made.seed,
        "at_once": _interval(made.at_once),
        "stall": _interval(made.stall),
        "times": {name: _interval(time) for name, time in made.times} or None,
        "blockers": [
            {
                "comm": holder.comm,
                "function": holder.function,
                "kthread": holder.kthread,
                "threads": holder.threads,
                "inside": holder.inside,
                "share": holder.share,
                "never": holder.never,
            }
            for holder in made.blockers
        ],
        "unknown": list(made.unknown),
    }


def _interval(interval: "Interval") -> dict[str, float | None]:
    """Return the bounds for JSON; None means infinite or not known, because JSON has no
    infinity."""
    named = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {name: value if math.isfinite(value) else None for name, value in named.items()}
