# SPDX-License-Identifier: MIT
"""Output of a build of many pairs: progress, summary, and JSON."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lppack.cli.output import live_console, note, problem_json, table
from lppack.pipeline.pairs import Outcome, Pair, PairState

if TYPE_CHECKING:
    from rich.table import Table

OnChange = Callable[[Pair, Outcome | None], None]


@contextlib.contextmanager
def progress(pairs: Sequence[Pair], *, quiet: bool) -> Iterator[OnChange]:
    """Show a live table on a terminal; otherwise print a line for each pair that ends."""
    console = None if quiet else live_console()
    if console is None:
        done: list[Pair] = []

        def tell(pair: Pair, outcome: Outcome | None) -> None:
            if outcome is not None and not quiet:
                done.append(pair)
                note(f"[{len(done)}/{len(pairs)}] {line(outcome)}")

        yield tell
        return
    from rich.live import Live

    states: dict[Pair, Outcome | None] = {}
    began: dict[Pair, float] = {}
    with Live(console=console, refresh_per_second=4) as live:

        def show(pair: Pair, outcome: Outcome | None) -> None:
            states[pair] = outcome
            began.setdefault(pair, time.monotonic())
            live.update(_live(pairs, states))

        yield show


def _live(pairs: Sequence[Pair], states: dict[Pair, Outcome | None]) -> "Table":
    from rich.table import Table

    ended = [one for one in states.values() if one is not None]
    made = Table(title=f"{len(ended)} of {len(pairs)} pairs", title_justify="left", box=None)
    for name in ("patch", "kernel", "state", "seconds"):
        made.add_column(name, justify="right" if name == "seconds" else "left")
    for pair, one in states.items():
        if one is None:
            made.add_row(pair.patch.name, pair.kernel or "newest", "building", "")
    for one in ended[-12:]:
        made.add_row(one.pair.patch.name, one.kernel, _word(one), f"{one.seconds:.1f}")
    return made


def _word(one: Outcome) -> str:
    if one.state is PairState.REFUSED:
        return f"refused: {', '.join(one.rules)}"
    return str(one.state)


def line(one: Outcome) -> str:
    """Return the result of a pair, as one line."""
    why = (
        one.message.partition("\n")[0]
        if one.state not in (PairState.BUILT, PairState.CACHED)
        else ""
    )
    if one.state in (PairState.BUILT, PairState.CACHED):
        why = f"{one.seconds:.1f} s" if one.state is PairState.BUILT else ""
    return f"{one.pair.patch} for {one.kernel}: {_word(one)}{f' ({why})' if why else ''}"


def summary(outcomes: Sequence[Outcome]) -> None:
    """Print the bundles on stdout; print full errors, and a count of each state, on stderr."""
    for one in outcomes:
        for warning in one.warnings:
            note(str(warning))
    for one in outcomes:
        if one.code and one.state is not PairState.OTHER_KERNEL:
            note(f"{one.pair.patch} for {one.kernel}: {_word(one)}")
            for text in (*one.message.splitlines(), *([f"hint: {one.hint}"] if one.hint else [])):
                note(f"  {text}")
            if one.log:
                note(f"  log: {one.log}")
    counts = {state: sum(one.state is state for one in outcomes) for state in PairState}
    note(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    table([(str(one.bundle.path),) for one in outcomes if one.bundle])


def report(outcomes: Sequence[Outcome], code: int) -> dict[str, Any]:
    """Return the JSON object of `build`."""
    return {
        "ok": code == 0,
        "bundles": [_bundle_json(one) for one in outcomes if one.bundle],
        "pairs": [_pair_json(one) for one in outcomes],
    }


def _bundle_json(one: Outcome) -> dict[str, Any]:
    assert one.bundle is not None
    return {
        "path": str(one.bundle.path),
        "patch": one.bundle.series,
        "version": one.bundle.version,
        "kernel": one.bundle.release,
        "module_sha256": one.bundle.module_sha256,
        "complete": one.complete,
        "not_proved": list(one.doubts),
        "warnings": [problem_json(warning) for warning in one.warnings],
        "cached": one.state is PairState.CACHED,
        "seconds": round(one.seconds, 2),
    }


def _pair_json(one: Outcome) -> dict[str, Any]:
    return {
        "patch": str(one.pair.patch),
        "kernel": one.kernel,
        "state": one.state.value,
        "code": one.code,
        "seconds": round(one.seconds, 2),
        "bundle": str(one.bundle.path) if one.bundle else None,
        "rules": list(one.rules),
        "message": one.message,
        "hint": one.hint,
        "log": str(one.log) if one.log else None,
    }
