# SPDX-License-Identifier: MIT
"""Which pairs are one job of a farm, and what a worker says of a patch that is wrong."""

import shutil
from pathlib import Path

import pytest

from lppack.pipeline.farm_build import do, jobs_of
from lppack.pipeline.matrix import pairs_of
from lppack.pipeline.pairs import Options, PairState
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


def test_what_is_wrong_names_the_submitters_path(patches: list[Path]) -> None:
    for patch in patches[:2]:
        (patch / "manifest.yaml").write_text("lppack: 1\n")
    [job] = jobs_of(pairs_of(patches[:2], ("a",)), Options(output=Path("out")), (1,))
    for patch in patches[:2]:
        shutil.rmtree(patch)
    results = do(job)
    assert [one.outcome.pair.patch for one in results] == patches[:2]
    for result in results:
        assert (result.outcome.state, result.bundle) == (PairState.REFUSED, None)
        assert str(result.outcome.pair.patch / "manifest.yaml") in result.outcome.message
