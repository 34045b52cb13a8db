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
_CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)
_AGAIN = "look at its logs, and start it again"
_ANSWER = 15  # seconds for the scheduler
_LOOK = 5.0  # seconds between two checks of the farm
_ALONE = 60.0  # seconds to wait while there is no worker, or no answer
_CODE = 60.0  # seconds for all workers to import lppack and read its files


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
        try:
            digests: dict[str, Any] = client.run(
                code_digest, on_error="return", callback_timeout=_CODE
            )
        except (OSError, TimeoutError) as error:
            raise EnvironmentMissing(
                f"the scheduler at {address}, or one of its workers, does not answer: {error}",
                hint=_AGAIN,
            ) from None
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
    """Return how many tasks each worker runs at a time. Raise EnvironmentMissing."""
    try:
        # A scheduler that is stopped keeps its connections, and never answers. After an error,
        # Client.scheduler_info() returns what it knew.
        found: dict[str, int] = client.nthreads(callback_timeout=_ANSWER)
    except (OSError, TimeoutError) as error:
        raise EnvironmentMissing(
            f"the scheduler of the farm does not answer: {error}", hint=_AGAIN
        ) from None
    if not found:
        raise EnvironmentMissing("all workers of the farm are lost", hint=_AGAIN)
    return tuple(found.values())


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
                try:
                    threads(client)
                    seen = time.monotonic()
                except EnvironmentMissing as lost:
                    if time.monotonic() - seen > _ALONE:
                        yield from _lost(waiting, lost.message)
                        return
                continue
            except _CANCELLED:
                yield from _lost(waiting, "the scheduler of the farm is lost")
                return
            seen = time.monotonic()
            for future in done:
                item = waiting.pop(future)
                if future.status == "finished":
                    yield item, _fetched(client, future)
                    continue
                error = future.exception()
                if isinstance(error, KilledWorker):
                    error = EnvironmentMissing(
                        "each worker that had it was lost", hint="look at the workers' logs"
                    )
                yield item, error or RuntimeError(future.status)
    finally:
        client.cancel(list(waiting))


def _fetched(client: "Client", future: Any) -> Any:
    """Fetch a result from its worker; return EnvironmentMissing if it is lost."""
    try:
        return future.result(timeout=_ALONE)
    except (OSError, TimeoutError, *_CANCELLED) as error:
        try:
            threads(client)
        except EnvironmentMissing as lost:
            return lost
        return EnvironmentMissing(f"its result is lost: {error}", hint=_AGAIN)


def _lost(waiting: dict[Any, Item], why: str) -> Iterator[tuple[Item, BaseException]]:
    for item in waiting.values():
        yield item, EnvironmentMissing(why, hint=_AGAIN)
