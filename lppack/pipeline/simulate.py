# SPDX-License-Identifier: MIT
"""What a patch will do, before any kernel does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import store
from lppack.consistency import EngineName, ModeName
from lppack.errors import EnvironmentMissing
from lppack.model import Manifest

if TYPE_CHECKING:
    from lppack.analyse.sample import Sampled
    from lppack.analyse.simulate import Simulation
    from lppack.checker.runs import Run
    from lppack.cost.price import Price


def _manifest(path: Path) -> Manifest:
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    return validate(load(path))


def simulate_patch(
    path: Path, mode: str | None, *, preempted: EngineName | None = None
) -> "Simulation":
    """load, validate, simulate; ``preempted``: where kernel code is, moved by this engine."""
    from lppack.analyse.simulate import simulate

    return simulate(_manifest(path), ModeName(mode) if mode else None, preempted=preempted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Every mode; the weakest that is safe, if one is; and the requested one."""

    manifest: Manifest
    every: "tuple[Simulation, ...]"
    best: ModeName | None
    chosen: "Simulation"


def compare_modes(
    path: Path, mode: str | None = None, *, preempted: EngineName | None = None
) -> Compared:
    """Simulate every mode. ``mode``: the requested one; None: the one that apply would choose."""
    from lppack.analyse.simulate import compare, mode_of, recommended

    manifest = _manifest(path)
    every = compare(manifest, preempted=preempted)
    name = mode_of(manifest, ModeName(mode) if mode else None)
    return Compared(
        manifest=manifest,
        every=every,
        best=recommended(every),
        chosen=next(made for made in every if made.mode.name is name),
    )


def sample_patch(
    path: Path,
    modes: Sequence[str],
    *,
    stacks: Path | None,
    watched: float | None,
    histograms: Sequence[tuple[str, Path]],
    limit: float,
    seed: int,
    hook: str | None = None,
) -> "tuple[Sampled, ...]":
    """load, validate, sample."""
    from lppack.analyse.sample import sample
    from lppack.forecast.sampler import SampledHook

    return sample(
        _manifest(path),
        [ModeName(mode) for mode in modes],
        stacks=stacks,
        watched=watched,
        histograms=histograms,
        limit=limit,
        seed=seed,
        hook=SampledHook(hook) if hook else None,
    )


def replay_run(
    path: Path,
    mode: ModeName,
    flag: str,
    said: list[tuple[str, str]],
    threads: int,
    preempted: EngineName | None = None,
) -> "Run":
    """Repeat a run of the simulator, and return it."""
    from lppack.analyse.simulate import replay

    return replay(_manifest(path), mode, flag, said, threads, preempted)


def report_place(file: Path) -> Path:
    """Where a report can be written: a new file, an empty one, or another report; what a link
    leads to. Raise EnvironmentMissing."""
    from lppack.analyse.html_report import BEGINS

    try:
        place = file.resolve()
        if not place.parent.is_dir():
            raise EnvironmentMissing(
                f"cannot write {file}: {place.parent} is not a folder",
                hint="make it, or give another name after --report",
            )
        if place.exists() and not (place.is_file() and _is_free(place, BEGINS.encode())):
            raise EnvironmentMissing(
                f"{file} is not a report of lppack simulate, so it is not overwritten",
                hint="give another name after --report",
            )
        return place
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise _unwritable(file, error) from None


def write_report(
    made: Compared, file: Path, sampled: "Sequence[Sampled]", prices: "Sequence[Price]"
) -> None:
    """Write the HTML report; ``sampled``: of all modes, or nothing. It appears whole, and replaces
    nothing but another report. Raise EnvironmentMissing."""
    from lppack.analyse.html_report import html_report

    page = html_report(made.manifest, made.every, made.best, made.chosen, sampled, prices)
    try:
        store.write_atomic(report_place(file), page.encode())
    except OSError as error:
        raise _unwritable(file, error) from None


def _unwritable(file: Path, error: Exception) -> EnvironmentMissing:
    why = error.strerror if isinstance(error, OSError) else "it is a link to itself"
    return EnvironmentMissing(
        f"{file} cannot be written: {why}", hint="give another name after --report"
    )


def _is_free(file: Path, begin: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(begin)) in (b"", begin)
