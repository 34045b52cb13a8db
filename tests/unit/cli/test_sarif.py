# SPDX-License-Identifier: MIT
"""Problems as code-scanning services read them."""

from pathlib import Path

import pytest

from lppack.cli.sarif import sarif
from lppack.errors import Level, Problem
from lppack.rules.registry import every


def problem(file: str, rule: str, **more: str) -> Problem:
    return Problem(
        file=file, line=3, column=7, level=Level.WARNING, rule=rule, message="it is odd", **more
    )


def test_a_problem_has_its_rule_its_place_and_its_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rule = every()[0]
    (run,) = sarif([problem("a b/x.yaml", rule.id, hint="do this")])["runs"]
    (said,) = run["tool"]["driver"]["rules"]
    assert said["id"] == rule.id
    assert said["fullDescription"]["text"] == rule.page
    (result,) = run["results"]
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == (rule.id, 0, "warning")
    assert result["message"]["text"] == "it is odd\ndo this"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b/x.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 3, "startColumn": 7}


def test_a_file_elsewhere_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (run,) = sarif([problem(str(tmp_path / "x.yaml"), "file")])["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": (tmp_path / "x.yaml").as_uri()}


def test_each_rule_is_described_once() -> None:
    (run,) = sarif([problem("x", "b"), problem("x", "a"), problem("y", "b")])["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["a", "b"]
    assert [result["ruleIndex"] for result in run["results"]] == [1, 0, 1]


def test_nothing_wrong_is_an_empty_run() -> None:
    (run,) = sarif([])["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])
