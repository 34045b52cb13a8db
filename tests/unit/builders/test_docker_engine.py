# SPDX-License-Identifier: MIT
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from docker.errors import APIError

from lppack.builders import docker_engine
from lppack.builders.container import ContainerBuilder
from lppack.errors import EnvironmentMissing


@pytest.fixture
def path() -> Iterator[Path]:
    # A socket's path must be short.
    path = Path(f"/tmp/lppack-test-{os.getpid()}.sock")
    yield path
    path.unlink(missing_ok=True)


def test_no_engine_tells_the_ways_out(path: Path) -> None:
    with (
        pytest.raises(EnvironmentMissing, match="no Docker engine answers") as raised,
        docker_engine.connect(f"unix://{path}"),
    ):
        pass
    assert raised.value.hint == "run: lppack doctor --fix, or use --builder host"
    assert str(path) in raised.value.message


def test_the_engine_is_taken_from_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with (
        pytest.raises(EnvironmentMissing, match=str(path)),
        ContainerBuilder().open(tmp_path, None),
    ):
        pass


def test_a_socket_that_nobody_serves_is_no_engine(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    with (
        pytest.raises(EnvironmentMissing, match="no Docker engine"),
        docker_engine.connect(f"unix://{path}"),
    ):
        pass


def test_no_right_to_the_socket_names_it_and_the_group(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)  # root may open any socket
        try:
            with (
                pytest.raises(EnvironmentMissing, match="no right to") as raised,
                docker_engine.connect(f"unix://{path}"),
            ):
                pass
        finally:
            os.seteuid(was)
    assert str(path) in raised.value.message
    assert "docker" in (raised.value.hint or "")


def test_an_engine_that_is_silent_is_given_up(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with (
            pytest.raises(EnvironmentMissing, match="no Docker engine answers"),
            docker_engine.connect(f"unix://{path}", limit=1),
        ):
            pass


def test_an_engine_that_goes_away_under_a_stream_is_told() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one"
        raise ConnectionResetError

    stream = docker_engine.guarded(chunks())
    assert next(stream) == b"one"
    with pytest.raises(EnvironmentMissing, match="no Docker engine answers"):
        next(stream)


def test_an_owner_is_known_by_pid_and_start_time() -> None:
    pid, start = docker_engine.owner().split(":")
    assert docker_engine.owner_lives(f"{pid}:{start}")
    assert not docker_engine.owner_lives(f"{pid}:{int(start) + 1}")
    assert not docker_engine.owner_lives(f"{2**22 + 1}:1")
    assert not docker_engine.owner_lives("strange")


class Leftovers:
    """A client of an engine with one container of a dead process, and an answer to its removal."""

    def __init__(self, code: int) -> None:
        self.api = self
        self.code = code

    def containers(self, **_: object) -> list[dict[str, Any]]:
        labels = {docker_engine.LABEL: f"{2**22 + 1}:1"}
        return [{"Id": "x", "Names": ["/lppack-x"], "Labels": labels}]

    def remove_container(self, *_: object, **_kw: object) -> None:
        if self.code != 204:
            answer = requests.Response()
            answer.status_code = self.code
            raise APIError("no", response=answer)


@pytest.mark.parametrize(("code", "removed"), [(204, ("lppack-x",)), (404, ()), (409, ())])
def test_what_another_lppack_removes_at_the_same_moment_is_gone(
    code: int, removed: tuple[str, ...]
) -> None:
    assert docker_engine.sweep(cast("Any", Leftovers(code))) == removed


def test_a_container_that_cannot_be_removed_is_an_error() -> None:
    with pytest.raises(EnvironmentMissing):
        docker_engine.sweep(cast("Any", Leftovers(500)))
