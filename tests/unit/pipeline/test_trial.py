# SPDX-License-Identifier: MIT
"""test: what it says before a guest is booted."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack.errors import BuildFailed, Level, Problem
from lppack.pipeline import trial
from tests.kit.samples import manifest, plan

WARNING = Problem(
    file="m.yaml", line=1, column=1, level=Level.WARNING, rule="free-forgets-first", message="no"
)


def test_what_the_rules_warn_of_is_said_before_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """validate may not have been asked."""
    warned = replace(plan(manifest(tmp_path)), warnings=(WARNING,))

    def fails(*_args: object, **_words: object) -> None:
        raise BuildFailed("no")

    monkeypatch.setattr(trial, "make_plan", lambda *_args, **_words: warned)
    monkeypatch.setattr(trial, "make_bundle", fails)
    said: list[str] = []
    run = trial.Trial(tmp_path)
    with pytest.raises(BuildFailed):
        list(run.steps(said.append))
    assert said[0] == str(WARNING)
    assert said[1].startswith("building ")
    assert run.warnings == (WARNING,)
