# SPDX-License-Identifier: MIT
"""One patch for one kernel: what becomes of it is an outcome, also where it fails."""

import errno
import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lppack.errors import (
    BuildFailed,
    EnvironmentMissing,
    Level,
    LppackError,
    ManifestError,
    Problem,
)
from lppack.pipeline import one_pair
from lppack.pipeline.pairs import Options, Outcome, PairState
from lppack.stages.release import NotReleased
from tests.kit.samples import manifest, plan
from tests.unit.pipeline.outcomes import pair


def problem(rule: str) -> Problem:
    return Problem(
        file="a/manifest.yaml", line=1, column=1, level=Level.ERROR, rule=rule, message=f"of {rule}"
    )


def outcome(error: Exception, monkeypatch: pytest.MonkeyPatch) -> Outcome:
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


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a/x.c"), "a/x.c: Permission denied"),
        (OSError(errno.EIO, "Input/output error"), "a: Input/output error"),
    ],
)
@pytest.mark.parametrize("step", ["recall", "plan", "build", "remember"])
def test_a_file_that_the_machine_refuses_is_an_outcome(
    step: str, error: OSError, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_words: Any, **_options: Any) -> None:
        raise error

    found = SimpleNamespace(plan=plan(manifest()))
    steps = {
        "recall": ("lppack.pipeline.one_pair.recall", None),
        "plan": ("lppack.pipeline.check.make_plan", found.plan),
        "tree": ("lppack.pipeline.build.make_tree", found),
        "build": ("lppack.pipeline.build.make_bundle", SimpleNamespace(path=Path("a.lpp"))),
        "remember": ("lppack.pipeline.one_pair.remember", None),
    }
    for name, (target, value) in steps.items():
        give = functools.partial(lambda value, *_words, **_options: value, value)
        monkeypatch.setattr(target, fail if name == step else give)
    ended = one_pair.build_pair(pair(), Options(output=Path()))
    assert (ended.state, ended.code, ended.message) == (PairState.FAILED, 4, message)
    assert ended.hint


def test_an_error_that_is_a_bug_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        outcome(OSError(errno.EBADF, "Bad file descriptor"), monkeypatch)


def test_the_log_of_a_failed_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = tmp_path / "lppack/failed/a-1_6.1"
    for hint in (f"build.log, and more, are in {place}", f"the whole log: {place}/build.log"):
        found = outcome(BuildFailed("no", hint=hint), monkeypatch)
        assert found.log == place / "build.log"
