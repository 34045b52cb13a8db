# SPDX-License-Identifier: MIT
"""The containers of a command that runs, and what is left of them."""

from pathlib import Path

from lppack.builders import docker_engine


def children(pid: int) -> list[int]:
    """Return the processes that a command has forked."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def shared(pid: int) -> tuple[str, int] | None:
    """Return the container that builds for several pairs of a command, and the process that waits
    for it; None: there is none yet."""
    with docker_engine.connect() as client:
        for found in client.api.containers(filters={"label": docker_engine.LABEL}):
            if "for one in" in found["Command"] and _owner(found) in children(pid):
                return str(found["Id"]), _owner(found)
    return None


def left(owners: set[int]) -> list[str]:
    """Return the containers of these processes, running or not."""
    with docker_engine.connect() as client:
        every = client.api.containers(all=True, filters={"label": docker_engine.LABEL})
    return [str(one["Names"]) for one in every if _owner(one) in owners]


def _owner(found: object) -> int:
    assert isinstance(found, dict)
    return int(str(found["Labels"][docker_engine.LABEL]).partition(":")[0])
