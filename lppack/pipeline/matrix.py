# SPDX-License-Identifier: MIT
"""Build many patches for many kernels; a pair that fails does not stop the others."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lppack import store
from lppack.errors import (
    AnswerIsNo,
    EnvironmentMissing,
    LppackError,
    ManifestError,
)
from lppack.pipeline.one_pair import build_pair
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState
from lppack.pipeline.recall import recall

#: Exit codes from the worst to the best; a pair that is not for a kernel is no failure.
_WORST = (1, 130, 4, 5, 3, 9, 0)


def pairs_of(patches: Iterable[Path], kernels: Sequence[str]) -> tuple[Pair, ...]:
    """Return every pair of patch and kernel, without duplicates."""
    each = dict.fromkeys(patches)
    return tuple(Pair(patch=p, kernel=k) for p in each for k in dict.fromkeys(kernels) or (None,))


def worst(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code of a run; 3 if no pair was for its kernel."""
    if all(one.state is PairState.OTHER_KERNEL for one in outcomes):
        return ManifestError.exit_code
    codes = [one.code for one in outcomes if one.state is not PairState.OTHER_KERNEL]
    return min(codes, key=lambda code: _WORST.index(code) if code in _WORST else -1)


OnChange = Callable[[Pair, Outcome | None], None]


def build_all(
    pairs: Sequence[Pair],
    options: Options,
    *,
    jobs: int,
    on_change: OnChange,
    farm: str | None = None,
    sample: int = 1,
) -> list[Outcome]:
    """Build every pair with ``jobs`` processes; the modules of one kernel are built together.

    ``on_change`` is called when a pair begins (with None) and when it ends.

    On Ctrl-C the processes end, and remove their containers.
    ``farm``: the address of a scheduler whose workers build the pairs. ``sample`` of these pairs
    are also built here, and compared.
    """
    if farm is not None:
        return _farmed(pairs, options, farm, on_change, sample)
    from lppack.pipeline.together import run

    found: dict[Pair, Outcome] = {}
    for pair in pairs:
        try:
            kept = recall(pair, options)
        except (LppackError, OSError):
            continue  # reported when it is planned
        if kept:
            found[pair] = kept
            on_change(pair, kept)
    left = [pair for pair in pairs if pair not in found]
    with store.temporary("matrix-") as work:
        begun = functools.partial(_begun, on_change)
        for pair, outcome in run(left, options, work, jobs=jobs, on_start=begun):
            if isinstance(outcome, BaseException):
                outcome = _lost(pair, outcome)
            found[pair] = outcome
            on_change(pair, outcome)
    return [found[pair] for pair in pairs]


def _begun(on_change: OnChange, pair: Pair) -> None:
    on_change(pair, None)


def _farmed(
    pairs: Sequence[Pair], options: Options, farm: str, on_change: OnChange, sample: int
) -> list[Outcome]:
    from lppack.pipeline.farm import connect
    from lppack.pipeline.farm_build import run

    found: dict[Pair, Outcome] = {}
    with connect(farm) as client:
        for pair in pairs:
            on_change(pair, None)
        for pair, answer in run(client, pairs, options):
            outcome = _lost(pair, answer) if isinstance(answer, BaseException) else answer
            found[pair] = outcome
            on_change(pair, outcome)
    for pair in [pair for pair in pairs if found[pair].bundle][:sample]:
        found[pair] = _compared(found[pair], options)
    return [found[pair] for pair in pairs]


def _compared(there: Outcome, options: Options) -> Outcome:
    """Build a pair here, too, and compare: different bytes mean that the farm is not reliable."""
    assert there.bundle is not None
    with store.scratch() as folder:
        here = build_pair(there.pair, dataclasses.replace(options, output=folder))
        same = here.bundle and here.bundle.path.read_bytes() == there.bundle.path.read_bytes()
    if same:
        return there
    why = "has other bytes" if here.bundle else f"is no bundle ({here.message})"
    return dataclasses.replace(
        there,
        state=PairState.FAILED,
        code=AnswerIsNo.exit_code,
        bundle=None,
        message=f"{there.bundle.path} was built on the farm, and what is built here {why}",
        hint="was the debug package read in one place alone? give --deep; or compare the images "
        "and compilers: lppack inspect BUNDLE",
    )


def _lost(pair: Pair, error: BaseException) -> Outcome:
    """Return a failure for a pair whose process died, or ended with a bug."""
    return Outcome(
        pair=pair,
        state=PairState.FAILED,
        kernel=pair.kernel or "-",
        code=EnvironmentMissing.exit_code if isinstance(error, EnvironmentMissing) else 1,
        message=str(error) or type(error).__name__,
    )
