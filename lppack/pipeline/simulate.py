# SPDX-License-Identifier: MIT
"""What a patch will do, before any kernel does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.consistency import ModeName
from lppack.errors import EnvironmentMissing
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


def report_of(path: Path, mode: str | None, sampled: "Sequence[Sampled]") -> str:
    """compare and picture: HTML about one mode beside the others; ``sampled``: of all modes."""
    from lppack.stages.picture import picture
    from lppack.stages.simulate import compare, recommended

    manifest = _manifest(path)
    every = compare(manifest)
    best = recommended(manifest, every)
    return picture(manifest, every, best, ModeName(mode) if mode else None, sampled)


def write_report(text: str, file: Path) -> None:
    """Appears whole, and takes the place of nothing but another report. Raises
    EnvironmentMissing."""
    from lppack.stages.picture import BEGINS

    try:
        if file.exists() and not file.read_bytes().startswith(BEGINS.encode()):
            raise EnvironmentMissing(
                f"{file} is no report of lppack simulate, and is not overwritten",
                hint="give another name after --report",
            )
        draft = file.with_name(f"{file.name}.tmp")
        draft.write_text(text)
        draft.replace(file)
    except OSError as error:
        raise EnvironmentMissing(
            f"{file} cannot be written: {error.strerror}", hint="give another name after --report"
        ) from None
