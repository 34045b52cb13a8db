# SPDX-License-Identifier: MIT
"""Sweep a grid of parameters: in this process, in processes of this machine, or on a farm."""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lppack.consistency import MODES, ModeName
from lppack.errors import AnswerIsNo, ManifestError, Problem
from lppack.pipeline import local

if TYPE_CHECKING:
    from distributed import Client

    from lppack.analyse.sweep import SweptPoint

#: Number of chunks for each process: enough to make the last ones short.
_CHUNKS = 32

Point = TypeVar("Point")
Row = TypeVar("Row")
OnDone = Callable[[int], None]
_Chunk = tuple[Point, ...]
_Answer = tuple[Row, ...] | tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    rows: "tuple[SweptPoint, ...]"  # in the order of the grid
    usable: tuple[ModeName, ...]  # cover the needs, and hold at every point
    left_out: Mapping[ModeName, int]  # points of each mode that the engine does not have
    empty: str | None = None  # why no mode is usable, whatever is found; None: some may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    jobs: int  # 1: in this process
    farm: str | None = None


def explore_grid(
    path: Path, axes: Mapping[str, Sequence[Any]], where: Where, on_done: OnDone
) -> Swept:
    """Load and validate a patch, and explore every point. Raise EnvironmentMissing,
    ManifestError."""
    from lppack.analyse.simulate import empty, patch_of
    from lppack.analyse.sweep import ExplorePoint, Exploring, grid, usable
    from lppack.pipeline.simulate import checked_manifest

    patch = patch_of(checked_manifest(path))
    every = tuple(grid(ExplorePoint(mode=MODES[0].name), axes))
    points = tuple(point for point in every if point.exists)
    left_out = Counter(point.mode for point in every if not point.exists)
    work = Exploring.of(patch, points)
    rows = sweep(work, points, where, on_done, size=lambda point: point.size)
    why = empty(patch)
    # A mode with points that were left out was not shown to hold there.
    held = () if why else tuple(name for name in usable(rows) if name not in left_out)
    return Swept(rows=tuple(rows), usable=held, left_out=left_out, empty=why)


def sample_grid(
    path: Path,
    axes: Mapping[str, Sequence[Any]],
    where: Where,
    on_done: OnDone,
    *,
    stacks: Path | None,
    watched: float | None,
    histograms: Sequence[tuple[str, Path]],
) -> Swept:
    """Load and validate a patch, and predict every point. Raise EnvironmentMissing,
    ManifestError."""
    from lppack.analyse.sample import of_manifest, watch_of
    from lppack.analyse.simulate import patch_of
    from lppack.analyse.sweep import SamplePoint, Sampling, grid, usable
    from lppack.pipeline.simulate import checked_manifest

    manifest = checked_manifest(path)
    watch = watch_of(manifest, stacks=stacks, watched=watched, histograms=histograms)
    points = tuple(grid(SamplePoint(mode=MODES[0].name), axes))
    with of_manifest(manifest):
        rows = sweep(Sampling(patch_of(manifest), watch), points, where, on_done)
    return Swept(rows=tuple(rows), usable=usable(rows), left_out={})


def sweep(
    work: Callable[[Point], Row],
    points: Sequence[Point],
    where: Where,
    on_done: OnDone,
    *,
    size: Callable[[Point], int] = lambda _point: 1,
) -> list[Row]:
    """Return the result of ``work`` at each point, in the order of the points.

    ``on_done`` is called with the number of completed points. With a farm, the smallest point is
    also computed here, and compared. Raise EnvironmentMissing if a process or the farm is lost.
    """
    if not points:
        return []
    order = sorted(range(len(points)), key=lambda place: size(points[place]), reverse=True)
    # The first point shows whether the work is possible, and imports the modules that the processes
    # share.
    first = work(points[order[-1]])
    rows: dict[int, Row] = {}
    if where.farm is None:
        rows[order.pop()] = first
        on_done(len(rows))
    for chunk, answer in _answers(work, points, order, where):
        if isinstance(answer, BaseException):
            raise answer
        if answer and isinstance(answer[0], Problem):
            raise ManifestError(one for one in answer if isinstance(one, Problem))
        rows.update(zip(chunk, answer, strict=True))
        on_done(len(rows))
    if where.farm is not None and rows[order[-1]] != first:
        raise AnswerIsNo(
            f"the farm finds something else than this machine at {points[order[-1]]}",
            hint="compare the versions of Python and numpy on the workers with those here",
        )
    return [rows[place] for place in range(len(points))]


def _answers(
    work: Callable[[Any], Any], points: Sequence[Any], order: Sequence[int], where: Where
) -> Iterator[tuple[Sequence[int], Any]]:
    """Yield the indices of some points with their results; an exception is a result."""
    if where.farm is None and where.jobs == 1:
        for place in order:
            yield (place,), (work(points[place]),)
        return
    with contextlib.ExitStack() as stack:
        client: Client | None = None
        jobs = where.jobs
        if where.farm is not None:
            from lppack.pipeline import farm

            client = stack.enter_context(farm.connect(where.farm))
            jobs = sum(farm.threads(client))
        count = min(len(order), jobs * _CHUNKS)
        # Each chunk has some large and some small points.
        chunks = {
            tuple(points[place] for place in places): places
            for places in (order[number::count] for number in range(count))
        }
        do = functools.partial(_each, work)
        items = tuple(chunks)
        answers = (
            farm.each(client, do, items)
            if client
            else local.run(do, items, jobs=jobs, on_start=lambda _chunk: None)
        )
        for chunk, answer in answers:
            yield chunks[chunk], answer


def _each(work: Callable[[Point], Row], points: Sequence[Point]) -> _Answer[Row]:
    """Compute some points, in a process or on a worker; a problem of the patch is a result."""
    try:
        return tuple(work(point) for point in points)
    except ManifestError as error:
        return error.problems
