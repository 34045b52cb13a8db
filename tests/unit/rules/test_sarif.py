# SPDX-License-Identifier: MIT
"""Problems as code-scanning services read them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lppack.cli.main import commands
from lppack.errors import Level, Problem
from lppack.rules.registry import every
from lppack.rules.sarif import sarif


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


def test_each_rule_has_the_address_of_its_page_where_the_site_is_known() -> None:
    found = [problem("x", every()[0].id), problem("x", "unknown-key")]
    for docs in ("https://docs.example/lppack", "https://docs.example/lppack/"):
        (run,) = sarif(found, docs=docs)["runs"]
        assert {rule["id"]: rule["helpUri"] for rule in run["tool"]["driver"]["rules"]} == {
            every()[0].id: f"https://docs.example/lppack/rules/#{every()[0].id}",
            "unknown-key": "https://docs.example/lppack/rules/",
        }
    (run,) = sarif(found)["runs"]
    assert not [rule for rule in run["tool"]["driver"]["rules"] if "helpUri" in rule]


def test_validate_takes_the_address_of_the_site(tmp_path: Path) -> None:
    words = ["validate", "--format", "sarif", str(tmp_path), "--docs"]
    ran = CliRunner().invoke(commands, [*words, "https://docs.example"])
    (rule,) = json.loads(ran.stdout)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["helpUri"] == "https://docs.example/rules/"


@pytest.mark.parametrize(
    "url", ["docs.example", "file:///x", "https://", "https://x/?q", "https://a b"]
)
def test_an_address_that_nothing_could_open_is_refused(url: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        commands, ["validate", "--format", "sarif", str(tmp_path), "--docs", url]
    )
    assert ran.exit_code == 2
    assert f'"{url}" is not a URL like https://HOST/PATH' in ran.stderr


def test_an_address_without_sarif_is_refused(tmp_path: Path) -> None:
    ran = CliRunner().invoke(commands, ["validate", str(tmp_path), "--docs", "https://x"])
    assert (ran.exit_code, "requires --format sarif" in ran.stderr) == (2, True)
