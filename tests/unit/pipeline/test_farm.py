# SPDX-License-Identifier: MIT
"""Work on a farm: sweeps find what one process does; a worker, all of them, the scheduler lost."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.errors import AnswerIsNo, EnvironmentMissing
from lppack.pipeline import farm as farm_
from lppack.pipeline.sweep import Where, sweep
from tests.kit.command import EXAMPLES, lppack
from tests.kit.farm import Farm, farm

pytestmark = pytest.mark.slow


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    monkeypatch.setattr(farm_, "_LOOK", 0.5)
    monkeypatch.setattr(farm_, "_ALONE", 2.0)
    with farm(tmp_path) as found:
        yield found


def slow(item: tuple[Path, int]) -> int:
    folder, number = item
    (folder / f"began-{number}-{os.getpid()}").touch()
    time.sleep(0.2)
    return number * number


def lost(item: tuple[Path, int]) -> int:
    """Kill the first worker that has the first item."""
    folder, number = item
    if number == 0:
        try:
            (folder / "killed").mkdir()
        except FileExistsError:
            return 0
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def elsewhere(point: int) -> int:
    return os.getpid()


def nothing(_done: int) -> None:
    pass


def test_a_farm_finds_what_one_process_does(running: Farm, tmp_path: Path) -> None:
    words = ("simulate", EXAMPLES / "proc-cmdline", "--sweep", "threads=1..3", "--format", "json")
    there = lppack(*words, "--farm", running.address)
    assert there.rc == 0, there.err
    assert there.out == lppack(*words, "--jobs", "1").out
    where = Where(jobs=1, farm=running.address)
    with pytest.raises(AnswerIsNo, match="something else than this machine"):
        sweep(elsewhere, range(4), where, nothing)
    # A lost worker's part is done by the other one.
    items = [(tmp_path, number) for number in range(6)]
    assert sweep(lost, items, where, nothing) == [0, 1, 4, 9, 16, 25]
    assert [worker.poll() for worker in running.workers].count(None) == 1
    for worker in running.workers:
        worker.kill()
    with pytest.raises(EnvironmentMissing, match="no workers"):
        sweep(slow, items, where, nothing)


def test_a_scheduler_that_is_stopped_ends_the_work(
    running: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its connections, and answers nothing."""
    monkeypatch.setattr(farm_, "_ANSWER", 2)
    with farm_.connect(running.address) as client:
        assert farm_.threads(client) == (1, 1)
        os.kill(running.scheduler.pid, signal.SIGSTOP)
        items = [(tmp_path, number) for number in range(4)]
        answers = [answer for _, answer in farm_.each(client, slow, items)]
        assert len(answers) == 4
        for answer in answers:
            assert isinstance(answer, EnvironmentMissing)
            assert "the scheduler of the farm does not answer" in str(answer)


@pytest.mark.parametrize("what", ["workers", "scheduler"])
def test_a_farm_that_goes_away(what: str, running: Farm, tmp_path: Path) -> None:
    items = [(tmp_path, number) for number in range(40)]
    found = {}
    with farm_.connect(running.address) as client:
        for item, answer in farm_.each(client, slow, items):
            found[item] = answer
            if len(found) == 1:
                for process in running.workers if what == "workers" else [running.scheduler]:
                    process.kill()
    assert len(found) == 40
    bad = [answer for answer in found.values() if isinstance(answer, BaseException)]
    assert bad and all(isinstance(answer, EnvironmentMissing) for answer in bad)
    words = "all workers of the farm are lost" if what == "workers" else "scheduler of the farm"
    assert all(words in str(answer) for answer in bad)
