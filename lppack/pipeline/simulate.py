# SPDX-License-Identifier: MIT
"""Predict the behaviour of a patch without a kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import store
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.errors import EnvironmentMissing
from lppack.model import Manifest
from lppack.shape import read_json

if TYPE_CHECKING:
    from lppack.analyse.sample import Sampled
    from lppack.analyse.simulate import Simulation
    from lppack.checker.runs import Run
    from lppack.cost.price import Price

_Steps = list[tuple[str, str]]
_RUNS_MAX = 1 << 24  # bytes


def checked_manifest(path: Path) -> Manifest:
    """Load and validate a patch; return its manifest."""
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    return validate(load(path))


def simulate_patch(
    path: Path, mode: str | None, *, preempted: EngineName | None = None
) -> "Simulation":
    """Load, validate and simulate a patch; ``preempted``: the engine, if kernel code is
    preempted."""
    from lppack.analyse.simulate import simulate

    return simulate(checked_manifest(path), ModeName(mode) if mode else None, preempted=preempted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The simulation of every mode, the weakest safe mode, if any, and the requested one."""

    manifest: Manifest
    every: "tuple[Simulation, ...]"
    best: ModeName | None
    chosen: "Simulation"


def compare_modes(
    path: Path, mode: str | None = None, *, preempted: EngineName | None = None
) -> Compared:
    """Simulate every mode. ``mode``: the requested one; None: the mode that apply would use."""
    from lppack.analyse.simulate import compare, mode_of, recommended

    manifest = checked_manifest(path)
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
    """Load and validate a patch, and sample its transitions."""
    from lppack.analyse.sample import sample
    from lppack.forecast.sampler import SampledHook

    return sample(
        checked_manifest(path),
        [ModeName(mode) for mode in modes],
        stacks=stacks,
        watched=watched,
        histograms=histograms,
        limit=limit,
        seed=seed,
        hook=SampledHook(hook) if hook else None,
    )


def recommended(every: "Sequence[Sampled]") -> ModeName | None:
    """Return the weakest mode that covers the needs and finishes, or else one that may."""
    from lppack.analyse.sample import recommended

    return recommended(every)


def replay_runs(path: Path, file: Path) -> "tuple[ModeName, list[Run]]":
    """Repeat the runs that ``simulate --format json`` wrote to ``file``; return them.

    Raise EnvironmentMissing if it is not such a file, or contains no run.
    """
    from lppack.analyse.simulate import replay

    mode, preempted, wanted = _kept_runs(path, file)
    manifest = checked_manifest(path)
    return mode, [
        replay(manifest, mode, shows, steps, threads, preempted) for shows, steps, threads in wanted
    ]


def _kept_runs(
    patch: Path, file: Path
) -> tuple[ModeName, EngineName | None, list[tuple[str, _Steps, int]]]:
    """Return the runs in ``file``: (what it shows, (actor, action) of each step, threads)."""
    hint = f"lppack simulate {patch} --mode {ModeName.NULL_MODEL} --format json > run.json"
    from lppack.checker.observe import Seen

    try:
        if file.exists() and not file.is_file():
            raise EnvironmentMissing(f"{file} is not a plain file", hint=hint)
        if file.stat().st_size > _RUNS_MAX:
            raise EnvironmentMissing(f"{file} is too large for what simulate prints", hint=hint)
        said = read_json(file.read_text())
    except OSError as error:
        raise EnvironmentMissing(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    except ValueError:
        raise EnvironmentMissing(f"{file} is not JSON", hint=hint) from None
    if isinstance(said, dict) and "modes" in said and "mode" not in said:
        raise EnvironmentMissing(f"{file} is about every mode, but a run is about one", hint=hint)
    try:
        mode, preempted, runs = said["mode"], said.get("preempted"), said["violations"]
        wanted = [
            (run["shows"], [(step["who"], step["does"]) for step in run["steps"]], run["threads"])
            for run in runs
        ]
        engines = (None, *mode_named(ModeName(mode)).engines)
        known = preempted in engines and all(
            isinstance(threads, int) and 0 < threads < 10 and shows in Seen.__members__
            for shows, _, threads in wanted
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise EnvironmentMissing(f"{file} is not what lppack simulate prints", hint=hint)
    if not wanted:
        raise EnvironmentMissing(
            f"{file} has no run: mode {mode} is not unsafe there",
            hint=f"see which modes are: lppack simulate {patch} --compare",
        )
    return ModeName(mode), EngineName(preempted) if preempted else None, wanted


def report_place(file: Path) -> Path:
    """Return the path for a report, with links resolved. Raise EnvironmentMissing.

    Allowed are a new file, an empty file, or another report.
    """
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
    """Write the HTML report atomically; replace only another report. Raise EnvironmentMissing.

    ``sampled``: the samples of all modes, or empty.
    """
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
