# SPDX-License-Identifier: MIT
"""Many patches for many kernels: each pair once, and the worst outcome counts."""

from pathlib import Path

import pytest

from lppack.cli import matrix as shown
from lppack.errors import EnvironmentMissing
from lppack.pipeline import matrix
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState
from tests.kit.samples import bundle
from tests.unit.pipeline.outcomes import made


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([(PairState.BUILT, 0), (PairState.CACHED, 0)], 0),
        ([(PairState.BUILT, 0), (PairState.OTHER_KERNEL, 3)], 0),
        ([(PairState.OTHER_KERNEL, 3), (PairState.OTHER_KERNEL, 3)], 3),
        ([(PairState.REFUSED, 3), (PairState.NOT_PROVED, 9)], 3),
        ([(PairState.FAILED, 5), (PairState.REFUSED, 3)], 5),
        ([(PairState.FAILED, 5), (PairState.FAILED, 4)], 4),
        ([(PairState.FAILED, 4), (PairState.FAILED, 1)], 1),
    ],
)
def test_the_exit_code_is_the_worst(states: list[tuple[PairState, int]], code: int) -> None:
    assert matrix.worst([made(state, each) for state, each in states]) == code


def test_every_patch_with_every_kernel_once() -> None:
    a, b = Path("a"), Path("b")
    assert matrix.pairs_of([a, b, a], ["x", "y", "x"]) == (
        *(Pair(patch=a, kernel="x"), Pair(patch=a, kernel="y")),
        *(Pair(patch=b, kernel="x"), Pair(patch=b, kernel="y")),
    )
    assert matrix.pairs_of([a], []) == (Pair(patch=a, kernel=None),)


def test_the_summary_names_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    shown.summary(
        [
            made(PairState.CACHED),
            made(PairState.OTHER_KERNEL, 3, message="not one"),
            made(PairState.REFUSED, 3, rules=("r1", "r2"), message="bad", hint="write it"),
            made(PairState.FAILED, 5, message="no", log=Path("/logs/build.log")),
        ]
    )
    said = capsys.readouterr().err
    assert "a for 6.1: refused: r1, r2\n  bad\n  hint: write it\n" in said
    assert "  log: /logs/build.log\n" in said
    assert said.endswith("1 cached, 1 not for this kernel, 1 refused, 1 failed\n")


@pytest.mark.parametrize(
    ("data", "state"), [(b"same", PairState.BUILT), (b"other", PairState.FAILED)]
)
def test_a_farm_whose_bytes_differ_is_refused(
    data: bytes, state: PairState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(_pair: Pair, options: Options) -> Outcome:
        (options.output / "a.lpp").write_bytes(b"same")
        return made(PairState.BUILT, bundle=bundle(path=options.output / "a.lpp"))

    (tmp_path / "a.lpp").write_bytes(data)
    monkeypatch.setattr(matrix, "build_pair", build)
    there = made(PairState.BUILT, bundle=bundle(path=tmp_path / "a.lpp"))
    found = matrix._compared(there, Options(output=tmp_path))
    assert found.state is state
    assert found.code == (0 if state is PairState.BUILT else 9)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied", "b/x.c"), EnvironmentMissing("no docker")]
)
def test_a_file_that_cannot_be_read_costs_its_pair_alone(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said when the pair is planned."""

    def recall(pair: Pair, _options: Options) -> Outcome | None:
        if pair.patch.name == "b":
            raise error
        return made(PairState.CACHED, name=pair.patch.name)

    def run(left: list[Pair], *_words: object, **_more: object) -> list[tuple[Pair, Outcome]]:
        assert [pair.patch.name for pair in left] == ["b"]
        return [(left[0], made(PairState.FAILED, 4, name="b"))]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(matrix, "recall", recall)
    monkeypatch.setattr("lppack.pipeline.together.run", run)
    every = matrix.pairs_of([Path("a"), Path("b"), Path("c")], ["6.1"])
    found = matrix.build_all(
        every, Options(output=tmp_path), jobs=1, on_change=lambda _pair, _outcome: None
    )
    assert [one.state for one in found] == [PairState.CACHED, PairState.FAILED, PairState.CACHED]
