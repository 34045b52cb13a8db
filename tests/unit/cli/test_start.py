# SPDX-License-Identifier: MIT
"""What an author begins with: a patch that is right as it stands, the schema, and all pages."""

import re
from pathlib import Path

import pytest

from lppack import abi, resources
from lppack.checker.observe import WORDS
from lppack.cli.pages import CODES
from tests.kit.command import ROOT, lppack


@pytest.mark.parametrize(
    ("folder", "series"), [("my-fix", "my-fix"), ("9 Fixes", "fix-9-fixes"), ("lp", "lp")]
)
def test_a_new_patch_is_right_as_it_stands(folder: str, series: str, tmp_path: Path) -> None:
    ran = lppack("new", folder, cwd=tmp_path)
    assert ran.rc == 0, ran.err
    assert [(tmp_path / line).is_file() for line in ran.out.splitlines()] == [True, True]
    ran = lppack("validate", "--strict", folder, cwd=tmp_path)
    assert ran.rc == 0, ran.out
    assert f"\nname: {series}\n" in (tmp_path / folder / "manifest.yaml").read_text()


def test_a_new_patch_takes_the_place_of_nothing(tmp_path: Path) -> None:
    assert lppack("new", "mine", cwd=tmp_path).rc == 0
    manifest = tmp_path / "mine/manifest.yaml"
    manifest.write_text("mine")
    ran = lppack("new", "mine", cwd=tmp_path)
    assert (ran.rc, manifest.read_text()) == (4, "mine")
    assert "was changed since" in ran.err


def test_the_author_is_whom_git_knows(tmp_path: Path) -> None:
    git = {"GIT_AUTHOR_NAME": 'J\u00f6 "X" Doe', "GIT_AUTHOR_EMAIL": "jo@example.org"}
    assert lppack("new", "mine", cwd=tmp_path, env=git).rc == 0
    manifest = (tmp_path / "mine/manifest.yaml").read_text()
    assert 'author: "J\u00f6 \\"X\\" Doe <jo@example.org>"\n' in manifest
    assert lppack("validate", "mine", cwd=tmp_path).rc == 0


def test_the_schema_is_that_of_the_manifest() -> None:
    assert lppack("schema").json == resources.schema("manifest-v1")


def test_an_editor_offers_the_licenses_that_are_taken() -> None:
    """The schema lets other text pass, which a rule then refuses with this list."""
    offered, _ = lppack("schema").json["properties"]["license"]["anyOf"]
    assert offered == {"enum": list(abi.MODULE_LICENSES)}


def test_explain_lists_all_pages_and_guesses() -> None:
    ran = lppack("explain")
    for word in ("rules:", "modes:", "exit codes:", "SWITCH_THREAD", "no-function-twice", "I10"):
        assert re.search(rf"(?<![\w-]){word}(?![\w-])", ran.out), word
    ran = lppack("explain", "SWITCH_TREAD")
    assert ran.rc == 4
    assert "did you mean SWITCH_THREAD" in ran.err and "all pages: lppack explain" in ran.err


def test_what_simulate_prints_in_brackets_has_a_page() -> None:
    rules = re.compile(r"^\| ([RTIL]\d+) \|", re.MULTILINE)
    named = set(rules.findall((ROOT / "docs/semantics.md").read_text()))
    assert named and named == CODES.keys()
    assert {code for code, _ in WORDS.values()} <= CODES.keys()
    assert "one visit to the patched functions" in lppack("explain", "I2").out.lower()


def test_a_flag_says_when_it_is_not_enough() -> None:
    page = lppack("explain", "SWITCH_THREAD").out
    assert "Not enough where" in page and "Example:" in page


def test_the_page_of_a_rule_that_many_meet_says_what_to_do() -> None:
    page = lppack("explain", "function-exists").out
    assert "lppack facts FUNCTION --kernel" in page and "patch the callers" in page
