# SPDX-License-Identifier: MIT
"""Build pairs on other machines: ordinary workers of dask.distributed that have lppack."""

import contextlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.pipeline.one_pair import build_pair
from lppack.pipeline.pairs import Options, Outcome, Pair
from lppack.pipeline.recall import code_digest

if TYPE_CHECKING:
    from distributed import Client

_ANSWER = 15  # seconds for the scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One pair with all files that it is built from: a worker has neither the author's folder nor
    the submitter's disk."""

    pair: Pair
    files: tuple[tuple[str, bytes], ...]  # of the patch, by their path in it
    numbers: bytes | None  # the id file of its repository
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmResult:
    """What a worker has made of a job."""

    outcome: Outcome
    bundle: bytes | None


def job_of(pair: Pair, options: Options) -> Job:
    """Read the files of a patch."""
    from lppack.stages.ids import ids

    files = sorted(file for file in pair.patch.rglob("*") if file.is_file())
    numbers = ids(pair.patch).path
    return Job(
        pair=pair,
        files=tuple((str(file.relative_to(pair.patch)), file.read_bytes()) for file in files),
        numbers=numbers.read_bytes() if numbers else None,
        options=options,
    )


def do(job: Job) -> FarmResult:
    """Build a job; runs in a worker."""
    from lppack.stages.ids import FILE

    with store.scratch() as folder:
        patch = folder / "patch" / job.pair.patch.name
        for name, content in job.files:
            store.write_atomic(patch / name, content)
        (folder / "patch/.git").mkdir(parents=True, exist_ok=True)
        if job.numbers is not None:
            store.write_atomic(folder / "patch" / FILE, job.numbers)
        out = folder / "out"
        outcome = build_pair(
            replace(job.pair, patch=patch), replace(job.options, output=out), recorded=False
        )
        data = outcome.bundle.path.read_bytes() if outcome.bundle else None
        here, there = str(patch), str(job.pair.patch)
        return FarmResult(
            outcome=replace(
                outcome,
                pair=job.pair,
                message=outcome.message.replace(here, there),
                hint=outcome.hint and outcome.hint.replace(here, there),
                warnings=tuple(
                    replace(one, file=one.file.replace(here, there)) for one in outcome.warnings
                ),
            ),
            bundle=data,
        )


@contextlib.contextmanager
def connect(address: str) -> Iterator["Client"]:
    """Connect to a scheduler whose workers all have this lppack. Raise EnvironmentMissing."""
    try:
        from distributed import Client
    except ImportError:
        raise EnvironmentMissing(
            "dask.distributed is not installed", hint="pip install 'lppack[farm]'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise EnvironmentMissing(
            f"no scheduler answers at {address}: {error}",
            hint="start one: dask scheduler; and on each machine: dask worker ADDRESS",
        ) from None
    with contextlib.closing(client):
        digests: dict[str, Any] = client.run(code_digest, on_error="return")
        if not digests:
            raise EnvironmentMissing(
                f"the scheduler at {address} has no workers",
                hint=f"on each machine, with lppack installed: dask worker {address}",
            )
        others = [worker for worker, said in digests.items() if said != code_digest()]
        if others:
            raise EnvironmentMissing(
                f"workers with a different lppack, or none: {', '.join(others)}",
                hint="install the same version there, and restart them",
            )
        yield client


def run(
    client: "Client", pairs: Sequence[Pair], options: Options
) -> Iterator[tuple[Pair, Outcome | BaseException]]:
    """Yield each pair with its outcome as it ends; bundles are written to the output folder.

    The unfinished pairs of a lost worker go to another one.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    jobs = {}
    for pair in pairs:
        # A key of its own: another submitter's same pair has other files, or another user.
        key = f"lppack-{uuid.uuid4().hex}"
        jobs[client.submit(do, job_of(pair, options), key=key, pure=False)] = pair
    try:
        for future in as_completed(jobs, loop=client.loop):
            pair = jobs[future]
            if future.status != "finished":
                error = future.exception()
                if isinstance(error, KilledWorker):
                    error = EnvironmentMissing(
                        "each worker that built it was lost", hint="look at the workers' logs"
                    )
                yield pair, error or RuntimeError(future.status)
                continue
            answer: FarmResult = future.result()
            yield pair, _kept(answer, options.output)
    finally:
        client.cancel(list(jobs))


def _kept(answer: FarmResult, output: Path) -> Outcome:
    """Write the bundle that a worker returned; read it as carefully as any foreign file."""
    from lppack.stages.bundle import read

    outcome = answer.outcome
    if outcome.bundle is None or answer.bundle is None:
        return outcome
    path = output / outcome.bundle.path.name
    store.write_atomic(path, answer.bundle)
    return replace(outcome, bundle=read(path))
