# SPDX-License-Identifier: MIT
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lppack.cli import matrix as shown
from lppack.errors import (
    BuildFailed,
    EnvironmentMissing,
    Level,
    LppackError,
    ManifestError,
    Problem,
)
from lppack.pipeline import matrix, one_pair
from lppack.pipeline.junit import junit
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState
from lppack.stages.release import NotReleased
from tests.kit.samples import bundle


def pair(name: str = "a", kernel: str | None = "6.1") -> Pair:
    return Pair(patch=Path(name), kernel=kernel)


def problem(rule: str) -> Problem:
    return Problem(
        file="a/manifest.yaml", line=1, column=1, level=Level.ERROR, rule=rule, message=f"of {rule}"
    )


def outcome(error: LppackError, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What a pair becomes whose plan ends with ``error``."""

    def fail(*_words: Any, **_options: Any) -> None:
        raise error

    monkeypatch.setattr("lppack.pipeline.check.make_plan", fail)
    return one_pair.build_pair(pair(), Options(output=Path(), prove=True))


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (ManifestError([problem("one"), problem("two")]), PairState.REFUSED, 3),
        (ManifestError([problem("one"), problem("kernel-is-named")]), PairState.OTHER_KERNEL, 3),
        (NotReleased("it warns"), PairState.NOT_PROVED, 9),
        (BuildFailed("x.c:1: no"), PairState.FAILED, 5),
        (EnvironmentMissing("no docker"), PairState.FAILED, 4),
    ],
)
def test_each_error_is_an_outcome(
    error: LppackError, state: PairState, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outcome(error, monkeypatch)
    assert (found.state, found.code) == (state, code)
    assert found.message


def test_the_log_of_a_failed_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = tmp_path / "lppack/failed/a-1_6.1"
    for hint in (f"build.log, and more, are in {place}", f"the whole log: {place}/build.log"):
        found = outcome(BuildFailed("no", hint=hint), monkeypatch)
        assert found.log == place / "build.log"


def made(state: PairState, code: int = 0, **more: Any) -> Outcome:
    return Outcome(pair=pair(more.pop("name", "a")), state=state, kernel="6.1", code=code, **more)


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


def test_junit_has_each_pair() -> None:
    every = [
        made(PairState.BUILT),
        made(PairState.OTHER_KERNEL, 3, name="b", message="not one"),
        made(
            PairState.REFUSED, 3, name="c", rules=("r",), message="bad\nin two lines", hint="write"
        ),
        made(PairState.FAILED, 5, name="d", message="x\x1b[31m", said=("gcc: no",)),
    ]
    [suite] = ElementTree.fromstring(junit(every))
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    found = {case.get("name"): [part.tag for part in case] for case in suite}
    assert found == {"a": [], "b": ["skipped"], "c": ["failure"], "d": ["error"]}
    [failure] = suite[2]
    assert (failure.get("type"), failure.get("message")) == ("r", "bad")
    assert "write" in str(failure.text)
    assert "gcc: no" in str(suite[3][0].text)


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
