# SPDX-License-Identifier: MIT
"""sample: when will a transition finish on a real machine, and who holds it up?"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lppack import abi, consistency
from lppack.consistency import Mode, ModeName
from lppack.errors import Level, ManifestError, Problem
from lppack.model import Manifest, Visits, Workload
from lppack.simulator.estimate import read_watch
from lppack.simulator.predict import Prediction, predict
from lppack.simulator.sampler import Hook

Sampled = tuple[Mode, Prediction]


def sample(
    manifest: Manifest,
    modes: Sequence[ModeName] = (),
    *,
    stacks: Path | None = None,
    watched: float | None = None,
    histograms: Sequence[tuple[str, Path]] = (),
    limit: float,
    seed: int,
    hook: Hook | None = None,
) -> tuple[Sampled, ...]:
    """Predicts the transition in each of ``modes``; in the one that apply would take, if none is
    given. ``stacks``, ``watched`` (seconds) and ``histograms`` ((function, file)) take the place of
    what the manifest's workload says. ``hook``: when the engine looks whether a thread may switch,
    if not as the one of the mode does. Raises ManifestError if nothing is known of any thread."""
    functions = tuple(dict.fromkeys(f.old for entry in manifest.objects for f in entry.functions))
    given = dict(histograms)
    workload = manifest.workload or Workload()
    kept = [visits for visits in workload.visits if visits.function not in given]
    new = [Visits(function=name, histogram=path) for name, path in histograms]
    workload = replace(
        workload,
        stacks=stacks or workload.stacks,
        watched=watched or workload.watched,
        visits=(*kept, *new),
    )
    for name in sorted(set(given) - {*functions, abi.SYSCALL}):
        raise _nothing(manifest, f"{name} is not replaced by this patch: its visits say nothing")
    if workload.stacks is None and not any(visits.threads for visits in workload.visits):
        raise _nothing(manifest, "says nothing of the threads of the machine")
    watch = read_watch(workload, functions)
    chosen = modes or (manifest.mode or consistency.weakest(manifest.needs).name,)
    return tuple(
        (mode, predict(watch, functions, mode, limit=limit, seed=seed, hook=hook))
        for mode in map(consistency.mode_named, chosen)
    )


def _nothing(manifest: Manifest, message: str) -> ManifestError:
    return ManifestError(
        [
            Problem(
                file=str(manifest.path),
                line=1,
                column=1,
                level=Level.ERROR,
                rule="workload",
                message=message,
                hint="give folded stacks of it: --stacks FILE, or workload.stacks",
            )
        ]
    )
