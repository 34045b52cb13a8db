# SPDX-License-Identifier: MIT
"""Run work on other machines: ordinary workers of dask.distributed with lppack installed."""

import asyncio
import concurrent.futures
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lppack.errors import EnvironmentMissing
from lppack.pipeline.recall import code_digest

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Result = TypeVar("Result")
_ANSWER = 15  # seconds for the scheduler
_LOOK = 5.0  # seconds between two checks of the farm
_ALONE = 60.0  # seconds to wait while there is no worker


@contextlib.contextmanager
def connect(address: str) -> Iterator["Client"]:
    """Connect to a scheduler; all workers must have this version of lppack. Raise
    EnvironmentMissing."""
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


def threads(client: "Client") -> tuple[int, ...]:
    """Return how many tasks each worker runs at a time."""
    return tuple(client.nthreads().values())


def each(
    client: "Client", work: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[Item, Result | BaseException]]:
    """Yield each item with its result as it ends; an exception is a result.

    Unfinished items of a lost worker go to another worker. If the scheduler or all workers are
    lost, the unfinished items have an exception as result.
    """
    from distributed import wait
    from distributed.scheduler import KilledWorker

    # Each task has its own key: the same item of another submitter may have other files.
    waiting = {
        client.submit(work, item, key=f"lppack-{uuid.uuid4().hex}", pure=False): item
        for item in items
    }
    seen = time.monotonic()
    try:
        while waiting:
            try:
                with client.as_current():
                    done = wait(list(waiting), timeout=_LOOK, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                if _workers(client):
                    seen = time.monotonic()
                elif time.monotonic() - seen > _ALONE:
                    yield from _lost(waiting, "all workers of the farm are lost")
                    return
                continue
            except (asyncio.CancelledError, concurrent.futures.CancelledError):
                yield from _lost(waiting, "the scheduler of the farm is lost")
                return
            seen = time.monotonic()
            for future in done:
                item = waiting.pop(future)
                if future.status == "finished":
                    yield item, future.result()
                    continue
                error = future.exception()
                if isinstance(error, KilledWorker):
                    error = EnvironmentMissing(
                        "each worker that had it was lost", hint="look at the workers' logs"
                    )
                yield item, error or RuntimeError(future.status)
    finally:
        client.cancel(list(waiting))


def _workers(client: "Client") -> bool:
    try:
        return bool(client.scheduler_info()["workers"])
    except OSError:
        return False


def _lost(waiting: dict[Any, Item], why: str) -> Iterator[tuple[Item, BaseException]]:
    for item in waiting.values():
        yield item, EnvironmentMissing(why, hint="look at its logs, and start it again")
