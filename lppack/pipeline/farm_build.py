# SPDX-License-Identifier: MIT
"""Build pairs on a farm: a job contains some patches for one kernel, built in one run."""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lppack import store
from lppack.pipeline import farm
from lppack.pipeline.one_pair import Planned, finish_pair, plan_pair
from lppack.pipeline.pairs import Options, Outcome, Pair
from lppack.pipeline.together import build_planned, together_at_most

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFiles:
    """A pair with all its files, because a worker has no access to the submitter's disk."""

    pair: Pair
    files: tuple[tuple[str, bytes], ...]  # files of the patch, with their paths
    numbers: bytes | None  # content of the repository's id file


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    pairs: tuple[PairFiles, ...]
    options: Options
    beside: int  # jobs at a time on the worker


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmResult:
    """The result of a pair from a worker."""

    outcome: Outcome
    bundle: bytes | None


def files_of(pair: Pair) -> PairFiles:
    """Read the files of a patch."""
    from lppack.stages.ids import ids

    files = sorted(file for file in pair.patch.rglob("*") if file.is_file())
    numbers = ids(pair.patch).path
    return PairFiles(
        pair=pair,
        files=tuple((str(file.relative_to(pair.patch)), file.read_bytes()) for file in files),
        numbers=numbers.read_bytes() if numbers else None,
    )


def jobs_of(pairs: Sequence[Pair], options: Options, threads: Sequence[int]) -> Iterator[Job]:
    """Yield jobs; ``threads``: how many jobs each worker runs at a time."""
    by_kernel: dict[str | None, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_kernel[pair.kernel].append(pair)
    for some in by_kernel.values():
        size = together_at_most(len(some), sum(threads))
        for first in range(0, len(some), size):
            each = tuple(files_of(pair) for pair in some[first : first + size])
            yield Job(pairs=each, options=options, beside=max(threads))


def do(job: Job) -> tuple[FarmResult | RuntimeError, ...]:
    """Build a job, in a worker. An exception is the result of its own pair only."""
    with store.scratch() as folder:
        options = replace(job.options, output=folder / "out")
        here = [
            _caught(_planned, one, folder / str(number), options)
            for number, one in enumerate(job.pairs)
        ]
        ready = _caught(_together, [one for one in here if isinstance(one, Planned)], job, folder)
        if isinstance(ready, RuntimeError):
            ready = {}  # each is then built alone, and has its own outcome
        return tuple(
            one if isinstance(one, RuntimeError) else _caught(_finished, one, there, options, ready)
            for one, there in zip(here, job.pairs, strict=True)
        )


def _caught(work: Callable[..., Result], *args: Any) -> Result | RuntimeError:
    """Return an exception as a result, with its traceback, in a form that the submitter can
    read."""
    try:
        return work(*args)
    except Exception as error:
        return RuntimeError("".join(traceback.format_exception(error)))


def _planned(one: PairFiles, folder: Path, options: Options) -> Planned | Outcome:
    return plan_pair(replace(one.pair, patch=_written(one, folder)), options)


def _finished(
    one: Planned | Outcome, there: PairFiles, options: Options, ready: Mapping[Pair, Path]
) -> FarmResult:
    if isinstance(one, Planned):
        one = finish_pair(one, options, ready=ready.get(one.pair), recorded=False)
    return FarmResult(
        outcome=_as_there(one, there.pair),
        bundle=one.bundle.path.read_bytes() if one.bundle else None,
    )


def _together(planned: Sequence[Planned], job: Job, folder: Path) -> dict[Pair, Path]:
    """Return the folder in which each pair was built together with others of its kernel."""
    ready: dict[Pair, Path] = {}
    for number, kernel in enumerate(dict.fromkeys(one.kernel for one in planned)):
        some = [one for one in planned if one.kernel == kernel]
        if len(some) > 1:
            work = folder / f"together-{number}"
            build_planned(some, job.options.builder, work, job.beside)
            ready |= {one.pair: work / str(place) for place, one in enumerate(some)}
    return ready


def _written(one: PairFiles, folder: Path) -> Path:
    from lppack.stages.ids import FILE

    patch = folder / one.pair.patch.name
    for name, content in one.files:
        store.write_atomic(patch / name, content)
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    if one.numbers is not None:
        store.write_atomic(folder / FILE, one.numbers)
    return patch


def _as_there(outcome: Outcome, pair: Pair) -> Outcome:
    """Return an outcome with the submitter's paths."""
    here, there = str(outcome.pair.patch), str(pair.patch)
    return replace(
        outcome,
        pair=pair,
        message=outcome.message.replace(here, there),
        hint=outcome.hint and outcome.hint.replace(here, there),
        warnings=tuple(
            replace(one, file=one.file.replace(here, there)) for one in outcome.warnings
        ),
    )


def run(
    client: "Client", pairs: Sequence[Pair], options: Options
) -> Iterator[tuple[Pair, Outcome | BaseException]]:
    """Yield each pair with its outcome as it ends; bundles are written to the output folder."""
    jobs = tuple(jobs_of(pairs, options, farm.threads(client)))
    for job, results in farm.each(client, do, jobs):
        if isinstance(results, BaseException):
            for one in job.pairs:
                yield one.pair, results
        else:
            for one, result in zip(job.pairs, results, strict=True):
                yield one.pair, _outcome(result, options.output)


def _outcome(result: FarmResult | RuntimeError, output: Path) -> Outcome | Exception:
    if isinstance(result, RuntimeError):
        return result
    try:
        return _kept(result, output)
    except Exception as error:  # of this pair alone
        return error


def _kept(result: FarmResult, output: Path) -> Outcome:
    """Write the bundle that a worker returned, after checking it like any foreign file."""
    from lppack.stages.bundle import read

    outcome = result.outcome
    if outcome.bundle is None or result.bundle is None:
        return outcome
    path = output / outcome.bundle.path.name
    store.write_atomic(path, result.bundle)
    return replace(outcome, bundle=read(path))
