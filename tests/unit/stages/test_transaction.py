# SPDX-License-Identifier: MIT
"""A transaction is on the host before the change that it is about, and says how that ended."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from lppack.errors import ApplyRefused, ApplyStuck, HostError
from lppack.stages.journal import HISTORY, OPEN, Journal, new_record
from lppack.stages.transaction import Transaction
from tests.kit.fake_kernel import FakeHost


class Full(FakeHost):
    """Takes no file."""

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        raise HostError(f"{path}: No space left on device", errno=errno.ENOSPC)


def begin(host: FakeHost, command: str = "apply") -> tuple[Transaction, list[str], list[str]]:
    said: list[str] = []
    noted: list[str] = []
    made = Transaction(
        Journal(host),
        new_record(command, host),
        say=said.append,
        note=lambda record: noted.append(str(record.result)),
    )
    return made, said, noted


def below(host: FakeHost, folder: str) -> list[Any]:
    return [json.loads(text) for path, text in host.stored.items() if path.startswith(folder)]


def test_a_command_that_changed_nothing_leaves_no_record(host: FakeHost) -> None:
    made, said, noted = begin(host)
    made.end()
    assert (host.stored, said, noted) == ({}, [], [])


def test_a_step_is_recorded_before_it_is_taken(host: FakeHost) -> None:
    made, _, _ = begin(host)
    with made.step("insmod", "lppack_x_1"):
        (record,) = below(host, OPEN)
        assert [(step["step"], "ended" in step) for step in record["steps"]] == [("insmod", False)]
    (record,) = below(host, OPEN)
    assert [(step["step"], "ended" in step) for step in record["steps"]] == [("insmod", True)]


def test_the_record_is_about_the_patch_and_not_about_the_engine(host: FakeHost) -> None:
    made, _, _ = begin(host)
    for step, module in (("insmod-engine", "lppack_engine"), ("insmod", "lppack_x_1")):
        with made.step(step, module):
            pass
    assert made.record.module == "lppack_x_1"


def test_a_step_that_is_tried_again_is_one_step(host: FakeHost) -> None:
    made, _, _ = begin(host)
    for _ in range(3):
        with pytest.raises(ApplyStuck), made.step("patch", "lppack_x_1"):
            raise ApplyStuck("busy")
    with made.step("patch", "lppack_x_1"):
        pass
    assert [(step["step"], step["error"]) for step in made.record.steps] == [("patch", None)]


def test_the_end_moves_the_record_into_the_history(host: FakeHost) -> None:
    made, _, noted = begin(host, "revert")
    with made.step("unpatch", "lppack_x_1"):
        pass
    made.end(ApplyStuck("busy", reason="transition"))
    assert below(host, OPEN) == []
    (record,) = below(host, HISTORY)
    assert (record["result"], record["reason"], record["message"]) == (
        *("stuck", "transition"),
        "busy",
    )
    assert noted == ["stuck"]


def test_apply_is_refused_where_nothing_can_be_recorded(host: FakeHost) -> None:
    made, _, _ = begin(Full(host.kernel))
    with (
        pytest.raises(ApplyRefused, match="nothing was changed") as caught,
        made.step("insmod", "lppack_x_1"),
    ):
        pytest.fail("the step was taken")
    assert caught.value.reason == "journal-not-written"


def test_a_revert_goes_on_where_nothing_can_be_recorded(host: FakeHost) -> None:
    """It warns once: to take a patch back matters more."""
    made, said, _ = begin(Full(host.kernel), "revert")
    taken = []
    for step in ("unpatch", "rmmod"):
        with made.step(step, "lppack_x_1"):
            taken.append(step)
    made.end()
    assert taken == ["unpatch", "rmmod"]
    assert [line for line in said if "No space left on device" in line] == said
    assert len(said) == 1
