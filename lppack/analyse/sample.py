# SPDX-License-Identifier: MIT
"""sample: when will a transition finish on a real machine, and which threads hold it up?"""

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from lppack import abi, consistency
from lppack.analyse.simulate import patch_of
from lppack.checker.scenario import Patch
from lppack.consistency import Mode, ModeName
from lppack.errors import Level, ManifestError, Problem
from lppack.forecast.predict import Prediction, predict
from lppack.forecast.sampler import SampledHook
from lppack.forecast.watch import WORKLOAD, Watch, read_watch
from lppack.model import Manifest, Visits, Workload


class Sampled(NamedTuple):
    """The prediction for one mode."""

    mode: Mode
    prediction: Prediction
    covers: bool  # whether the mode covers the needs; no other mode is ever applied


def recommended(every: Sequence[Sampled]) -> ModeName | None:
    """Return the weakest mode that covers the needs and finishes, else the weakest that may stall.

    Return None if every mode that covers the needs never finishes.
    """
    verdicts = {made.mode.name: made.prediction.verdict for made in every if made.covers}
    for wanted in ("finishes", "may-stall"):
        for name in consistency.AUTO_ORDER:
            if verdicts.get(name) == wanted:
                return name
    return None


def sample(
    manifest: Manifest,
    modes: Sequence[ModeName] = (),
    *,
    stacks: Path | None = None,
    watched: float | None = None,
    histograms: Sequence[tuple[str, Path]] = (),
    limit: float,
    seed: int,
    hook: SampledHook | None = None,
) -> tuple[Sampled, ...]:
    """Predict the transition in each of ``modes``, or in the mode that apply would choose.

    ``limit``: seconds until the transition is given up. ``hook``: when the engine checks whether a
    thread may switch; None: as the engine of the mode does. The other arguments, and the errors,
    are those of watch_of().
    """
    watch = watch_of(manifest, stacks=stacks, watched=watched, histograms=histograms)
    chosen = modes or (manifest.mode or consistency.weakest(manifest.needs).name,)
    with of_manifest(manifest):
        return tuple(
            predicted(patch_of(manifest), watch, mode, limit=limit, seed=seed, hook=hook)
            for mode in chosen
        )


def predicted(
    patch: Patch,
    watch: Watch,
    name: ModeName,
    *,
    limit: float,
    seed: int,
    hook: SampledHook | None,
) -> Sampled:
    """Predict one mode. Raise ManifestError, which has WORKLOAD in place of the manifest's path."""
    mode = consistency.mode_named(name)
    made = predict(watch, patch.functions, mode, limit=limit, seed=seed, hook=hook)
    return Sampled(mode, made, mode.covers(patch.needs))


def watch_of(
    manifest: Manifest,
    *,
    stacks: Path | None = None,
    watched: float | None = None,
    histograms: Sequence[tuple[str, Path]] = (),
) -> Watch:
    """Read what is known of a machine's threads.

    ``stacks``, ``watched`` (seconds) and ``histograms`` ((function, file)) override the manifest's
    workload. Raise ManifestError if too little is known of the threads, or a histogram is of a
    function that the patch does not replace.
    """
    patch = patch_of(manifest)
    functions = patch.functions
    given = dict(histograms)
    workload = manifest.workload or Workload()
    workload = replace(
        workload,
        stacks=stacks or workload.stacks,
        watched=watched or workload.watched,
        visits=_visits(workload, given),
    )
    for name in sorted(set(given) - {*functions, abi.SYSCALL}):
        close = difflib.get_close_matches(name, [*functions, abi.SYSCALL], n=1)
        raise ManifestError(
            [
                _problem(
                    str(given[name]),
                    "workload-is-of-the-patch",
                    f'"{name}" is not replaced by this patch: its visits have no effect',
                    f"did you mean --visits {close[0]}={given[name]}?"
                    if close
                    else f"name a replaced function, or {abi.SYSCALL}",
                )
            ]
        )
    if workload.stacks is None:
        if not any(visits.threads for visits in workload.visits):
            raise _nothing(manifest, "says nothing about the threads of the machine")
        for visits in workload.visits:
            if visits.threads is None:
                raise _nothing(manifest, f"how many threads call {visits.function} is not known")
    with of_manifest(manifest):
        return read_watch(workload, functions, stays=patch.never_left, sleeps=patch.slept_in)


@contextlib.contextmanager
def of_manifest(manifest: Manifest) -> Iterator[None]:
    """Replace WORKLOAD by the manifest's path in each ManifestError that is raised inside."""
    try:
        yield
    except ManifestError as error:
        raise ManifestError(
            replace(problem, file=str(manifest.path)) if problem.file == WORKLOAD else problem
            for problem in error.problems
        ) from None


def _visits(workload: Workload, given: Mapping[str, Path]) -> tuple[Visits, ...]:
    """Return the visits of ``workload``, with ``given`` histograms in place of declared lengths.

    The rest of a function's entry stays, if it has exactly one.
    """
    made = [visits for visits in workload.visits if visits.function not in given]
    for name, path in given.items():
        entries = [visits for visits in workload.visits if visits.function == name]
        entry = entries[0] if len(entries) == 1 else Visits(function=name)
        made.append(replace(entry, histogram=path, seconds=None))
    return tuple(made)


def _nothing(manifest: Manifest, message: str) -> ManifestError:
    hint = "give folded stacks of it: --stacks FILE, or workload.stacks"
    return ManifestError([_problem(str(manifest.path), "workload", message, hint)])


def _problem(file: str, rule: str, message: str, hint: str) -> Problem:
    return Problem(
        file=file, line=1, column=1, level=Level.ERROR, rule=rule, message=message, hint=hint
    )
