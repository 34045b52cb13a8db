# SPDX-License-Identifier: MIT
"""What a patch will do, before any kernel does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.consistency import ModeName
from lppack.model import Manifest

if TYPE_CHECKING:
    from lppack.simulator.runs import Run
    from lppack.stages.sample import Sampled
    from lppack.stages.simulate import Simulation


def _manifest(path: Path) -> Manifest:
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    return validate(load(path))


def simulate_patch(path: Path, mode: str | None) -> "Simulation":
    """load, validate, simulate."""
    from lppack.stages.simulate import simulate

    return simulate(_manifest(path), ModeName(mode) if mode else None)


def compare_modes(path: Path) -> "tuple[tuple[Simulation, ...], ModeName | None]":
    """simulate in every mode, and the weakest that is safe."""
    from lppack.stages.simulate import compare, recommended

    manifest = _manifest(path)
    every = compare(manifest)
    return every, recommended(manifest, every)


def sample_patch(
    path: Path,
    modes: Sequence[str],
    *,
    stacks: Path | None,
    watched: float | None,
    histograms: Sequence[tuple[str, Path]],
    limit: float,
    seed: int,
) -> "tuple[Sampled, ...]":
    """load, validate, sample."""
    from lppack.stages.sample import sample

    return sample(
        _manifest(path),
        [ModeName(mode) for mode in modes],
        stacks=stacks,
        watched=watched,
        histograms=histograms,
        limit=limit,
        seed=seed,
    )


def replay_run(
    path: Path, mode: ModeName, flag: str, said: list[tuple[str, str]], threads: int
) -> "Run":
    """A run of the simulator, once more."""
    from lppack.stages.simulate import replay

    return replay(_manifest(path), mode, flag, said, threads)
