# SPDX-License-Identifier: MIT
"""Which pairs are built together, and that each has its outcome whatever becomes of the others."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.errors import BuildFailed
from lppack.model import SourceTree
from lppack.pipeline import together
from lppack.pipeline.one_pair import Planned
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState
from tests.kit import samples


def planned(pair: Pair, release: str = "") -> Planned:
    made = samples.plan(samples.manifest())
    made = replace(made, kernel=samples.kernel(release=release or str(pair.kernel)))
    tree = SourceTree(plan=made, files=(), copies=())
    return Planned(pair=pair, tree=tree, released=(), seconds=0.0)


def pairs(kernel: str | None, count: int) -> list[Pair]:
    return [Pair(patch=Path(f"p{number}"), kernel=kernel) for number in range(count)]


def sizes(every: Sequence[Pair], jobs: int, *, refused: Sequence[Pair] = ()) -> list[int]:
    """How many pairs each task has that builds, in order."""
    schedule = together._Schedule(every, Path("/work"), jobs)
    tasks = []
    for pair in every:
        tasks += schedule.planned(pair, None if pair in refused else planned(pair))
    seen = [one for task in tasks for one in _pairs_of(task)]
    assert sorted(map(repr, seen)) == sorted(repr(p) for p in every if p not in refused)
    return [len(_pairs_of(task)) for task in tasks]


def _pairs_of(task: together._Task) -> list[Pair]:
    if isinstance(task, together._Together):
        return [one.pair for one in task.pairs]
    assert isinstance(task, together._Finish)
    return [task.planned.pair]


@pytest.mark.parametrize(
    ("count", "jobs", "runs"),
    [(6, 2, [3, 3]), (5, 2, [3, 2]), (2, 2, [1, 1]), (6, 1, [6]), (40, 1, [16, 16, 8])],
)
def test_as_many_runs_as_jobs(count: int, jobs: int, runs: list[int]) -> None:
    assert sizes(pairs("a", count), jobs) == runs


def test_what_is_refused_holds_up_no_other() -> None:
    every = [*pairs("a", 6), *pairs("b", 3)]
    assert sizes(every, 2, refused=every[:2]) == [3, 1, 2, 1]
    assert sizes(every, 2, refused=every) == []
    assert sizes(every, 2, refused=[every[5], every[8]]) == [3, 2, 2]


def test_two_names_of_one_kernel() -> None:
    every = [*pairs("newest", 1), *pairs("6.1", 4), *pairs(None, 1)]
    schedule = together._Schedule(every, Path("/work"), 1)
    tasks = [t for pair in every for t in schedule.planned(pair, planned(pair, "6.1"))]
    assert [len(_pairs_of(task)) for task in tasks] == [1, 4, 1]


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failed() -> None:
    raise BuildFailed("out of memory")


@pytest.mark.parametrize("end", [killed, failed, lambda: None], ids=["killed", "failed", "built"])
def test_each_pair_is_finished_whatever_becomes_of_the_run(
    end: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(trees: Sequence[SourceTree], _builder: str, work: Path, _jobs: int) -> None:
        work.mkdir()
        (work / "count").write_text(str(len(trees)))
        end()

    def finish(one: Planned, _options: Options, *, ready: Path | None) -> Outcome:
        assert ready
        assert (ready.parent / "count").read_text() == "3"
        return Outcome(pair=one.pair, state=PairState.BUILT, kernel="a", message=f"{ready.name}")

    def plan(pair: Pair, _options: Options) -> Planned | Outcome:
        if pair.patch.name == "p1":
            return Outcome(pair=pair, state=PairState.REFUSED, kernel="a", code=3)
        return planned(pair)

    monkeypatch.setattr("lppack.pipeline.build.build_modules", build)
    monkeypatch.setattr(together, "finish_pair", finish)
    monkeypatch.setattr(together, "plan_pair", plan)
    begun: list[Pair] = []
    every = pairs("a", 4)
    found = dict(
        together.run(every, Options(output=tmp_path), tmp_path, jobs=1, on_start=begun.append)
    )
    assert begun == every
    outcomes = {pair.patch.name: one for pair, one in found.items() if isinstance(one, Outcome)}
    assert {name: one.state for name, one in outcomes.items()} == {
        "p0": PairState.BUILT,
        "p1": PairState.REFUSED,
        "p2": PairState.BUILT,
        "p3": PairState.BUILT,
    }
    assert [outcomes[name].message for name in ("p0", "p2", "p3")] == ["0", "1", "2"]
