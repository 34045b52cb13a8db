# SPDX-License-Identifier: MIT
"""The connection to a Docker engine, and explanations of its errors."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from lppack import proc
from lppack.errors import EnvironmentMissing

if TYPE_CHECKING:
    import docker

Item = TypeVar("Item")

LABEL = "lppack"
_ANSWER_LIMIT = 60  # seconds for one request


@contextlib.contextmanager
def connect(
    base_url: str | None = None, *, limit: int = _ANSWER_LIMIT
) -> Iterator["docker.DockerClient"]:
    """Yield a client of the engine at ``base_url`` (None: DOCKER_HOST, or this machine's
    socket)."""
    import docker

    with errors(base_url):
        if base_url is None:
            client = docker.from_env(timeout=limit)
        else:
            client = docker.DockerClient(base_url=base_url, version="auto", timeout=limit)
    with contextlib.closing(client):
        yield client


@contextlib.contextmanager
def errors(base_url: str | None = None) -> Iterator[None]:
    """Turn errors of the SDK in the block into EnvironmentMissing."""
    from docker.errors import DockerException

    where = base_url or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        yield
    # The exceptions of `requests` are OSErrors, and an engine that stops causes one of them.
    except (DockerException, OSError) as error:
        raise explain(error, where) from error


def guarded(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the same items; raise EnvironmentMissing if the engine goes away."""
    with errors():
        yield from items


def explain(error: BaseException, where: str) -> EnvironmentMissing:
    """Return the error to report for an error of the SDK."""
    causes = tuple(_causes(error))
    socket = where.removeprefix("unix://")
    if any(isinstance(cause, PermissionError) for cause in causes):
        return EnvironmentMissing(
            f"no right to the Docker engine's socket {socket}",
            hint="as root: usermod -aG docker YOU, then log in again; or use --builder host",
        )
    gone = (FileNotFoundError, ConnectionError, TimeoutError)
    names = {type(cause).__name__ for cause in causes}
    if any(isinstance(cause, gone) for cause in causes) or names & {
        "ConnectionError",
        "ConnectTimeout",
        "ReadTimeout",
        "ProtocolError",
        "NewConnectionError",
    }:
        return EnvironmentMissing(
            f"no Docker engine answers at {where}",
            hint="DOCKER_HOST says so: unset it, or start that engine; or use --builder host"
            if "DOCKER_HOST" in os.environ
            else "run: lppack doctor --fix, or use --builder host",
        )
    return EnvironmentMissing(
        f"the Docker engine at {where} said: {error}", hint="see: lppack doctor"
    )


def sweep(client: "docker.DockerClient") -> tuple[str, ...]:
    """Remove the containers of lppack processes that are gone; return their names."""
    from docker.errors import APIError

    removed = []
    with errors():
        for found in client.api.containers(all=True, filters={"label": LABEL}):
            if not owner_lives(found["Labels"][LABEL]):
                try:
                    client.api.remove_container(found["Id"], v=True, force=True)
                except APIError as error:
                    if error.status_code not in (404, 409):  # another lppack removes it
                        raise
                else:
                    removed.append(str(found["Names"][0]).lstrip("/"))
    return tuple(removed)


def owner() -> str:
    """Return the label for this process: its pid and start time, because pids are reused."""
    return f"{os.getpid()}:{proc.start_time(os.getpid())}"


def owner_lives(label: str) -> bool:
    """Return True if the process of a label from ``owner()`` still runs."""
    pid, _, start = label.partition(":")
    return pid.isdigit() and str(proc.start_time(int(pid))) == start


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, its causes, and the errors among its arguments."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        more = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [cause for cause in more if isinstance(cause, BaseException)]
