# SPDX-License-Identifier: MIT
"""Which pairs are one job of a farm, and what a worker says of a patch that is wrong."""

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lppack.errors import LppackError
from lppack.pipeline import farm, farm_build
from lppack.pipeline.farm_build import FarmResult, Job, do, jobs_of
from lppack.pipeline.matrix import pairs_of
from lppack.pipeline.one_pair import Planned
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState
from tests.kit.command import EXAMPLES


@pytest.fixture
def patches(tmp_path: Path) -> list[Path]:
    (tmp_path / ".git").mkdir()
    (tmp_path / "lppack-ids.yaml").write_text("lppack-ids: 1\nids: {}\n")
    for number in range(5):
        shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / f"patch-{number}")
    return sorted(tmp_path.glob("patch-*"))


def test_the_patches_of_one_kernel_go_together_to_all_workers(patches: list[Path]) -> None:
    options = Options(output=Path("out"))
    jobs = tuple(jobs_of(pairs_of(patches, ("a", "b")), options, (1, 2)))
    assert [[one.pair.kernel for one in job.pairs] for job in jobs] == [
        *(["a"] * 2, ["a"] * 2, ["a"]),
        *(["b"] * 2, ["b"] * 2, ["b"]),
    ], "five for three at a time"
    assert {one.pair for job in jobs for one in job.pairs} == set(pairs_of(patches, ("a", "b")))
    assert {job.beside for job in jobs} == {2}
    first = jobs[0].pairs[0]
    assert dict(first.files)["manifest.yaml"] == (patches[0] / "manifest.yaml").read_bytes()
    assert first.numbers == b"lppack-ids: 1\nids: {}\n"


def built(job: Job) -> list[FarmResult]:
    return [one for one in do(job) if isinstance(one, FarmResult)]


@pytest.mark.parametrize("where", ["plan_pair", "finish_pair"])
def test_a_bug_in_one_pair_is_of_this_pair_alone(
    where: str, patches: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's other pairs have their outcomes."""

    def fails(one: Any, options: Options, **_: Any) -> Outcome:
        pair = one.pair if isinstance(one, Planned) else one
        if pair.patch.name == "patch-1":
            raise KeyError("a bug")
        return Outcome(pair=pair, state=PairState.FAILED, kernel="a")

    def planned(pair: Pair, options: Options) -> Planned:
        return Planned(pair=pair, tree=SimpleNamespace(plan=plan), released=(), seconds=0.0)  # type: ignore[arg-type]

    def unable(*_args: Any) -> None:
        raise AssertionError("another bug")

    plan = SimpleNamespace(kernel="a")
    monkeypatch.setattr(farm_build, "plan_pair", planned)
    monkeypatch.setattr(farm_build, "build_planned", unable)
    monkeypatch.setattr(farm_build, where, fails)
    [job] = jobs_of(pairs_of(patches[:3], ("a",)), Options(output=Path("out")), (1,))
    first, bug, last = pickle.loads(pickle.dumps(do(job)))
    assert [first.outcome.pair, last.outcome.pair] == [job.pairs[0].pair, job.pairs[2].pair]
    assert isinstance(bug, RuntimeError)
    assert "KeyError: 'a bug'" in str(bug)
    assert "Traceback" in str(bug)


def test_a_bundle_that_cannot_be_read_is_of_its_pair_alone(
    patches: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pairs = pairs_of(patches[:3], ("a",))
    bundle = SimpleNamespace(path=Path("there/a.bundle"))

    def answers(_client: object, _work: object, jobs: tuple[Job, ...]) -> Iterator[Any]:
        [job] = jobs
        results: list[FarmResult | RuntimeError] = [
            FarmResult(outcome=Outcome(pair=pair, state=PairState.FAILED, kernel="a"), bundle=None)
            for pair in pairs
        ]
        wrong = Outcome(pair=pairs[0], state=PairState.BUILT, kernel="a", bundle=bundle)  # type: ignore[arg-type]
        results[0] = FarmResult(outcome=wrong, bundle=b"no bundle")
        results[1] = RuntimeError("a bug")
        yield job, tuple(results)

    monkeypatch.setattr(farm, "threads", lambda _client: (1,))
    monkeypatch.setattr(farm, "each", answers)
    client: Any = None
    found = dict(farm_build.run(client, pairs, Options(output=tmp_path / "out")))
    assert list(found) == list(pairs)
    assert isinstance(found[pairs[0]], LppackError)
    assert str(found[pairs[1]]) == "a bug"
    assert isinstance(found[pairs[2]], Outcome)


def test_what_is_wrong_names_the_submitters_path(patches: list[Path]) -> None:
    for patch in patches[:2]:
        (patch / "manifest.yaml").write_text("lppack: 1\n")
    [job] = jobs_of(pairs_of(patches[:2], ("a",)), Options(output=Path("out")), (1,))
    for patch in patches[:2]:
        shutil.rmtree(patch)
    results = built(job)
    assert [one.outcome.pair.patch for one in results] == patches[:2]
    for result in results:
        assert (result.outcome.state, result.bundle) == (PairState.REFUSED, None)
        assert str(result.outcome.pair.patch / "manifest.yaml") in result.outcome.message
