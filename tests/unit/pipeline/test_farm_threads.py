# SPDX-License-Identifier: MIT
"""What a scheduler says of its workers, if it says anything."""

import contextlib
from typing import Any

import pytest

from lppack.errors import EnvironmentMissing
from lppack.pipeline import farm
from lppack.pipeline.sweep import Where, sweep


class Client:
    """Answers, or fails; without a time-out it would wait for ever."""

    def __init__(self, answer: dict[str, int] | Exception) -> None:
        self.answer = answer

    def nthreads(self, *, callback_timeout: float) -> dict[str, int]:
        assert callback_timeout > 0
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        pass


def test_threads_of_each_worker() -> None:
    client: Any = Client({"a": 1, "b": 4})
    assert farm.threads(client) == (1, 4)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "all workers of the farm are lost"),
        (TimeoutError("timed out after 15 s."), "does not answer: timed out after 15 s."),
        (ConnectionError("closed"), "does not answer: closed"),
    ],
)
def test_no_workers_and_no_answer_are_said(
    answer: dict[str, int] | Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if all went away between the connection and the work."""

    def connect(_address: str) -> Any:
        return contextlib.closing(Client(answer))

    monkeypatch.setattr(farm, "connect", connect)
    with pytest.raises(EnvironmentMissing, match=said) as error:
        sweep(abs, range(3), Where(jobs=1, farm="tcp://127.0.0.1:1"), lambda _done: None)
    assert error.value.hint
