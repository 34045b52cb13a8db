# SPDX-License-Identifier: MIT
"""validate for machines: SARIF, the pre-commit hook, and --from."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack.cli.main import commands
from lppack.cli.validate import _way_to_a_proof
from lppack.errors import Level, Problem
from lppack.model import Completeness
from lppack.pipeline.prove import Proof
from lppack.rules.registry import every
from lppack.rules.sarif import sarif
from tests.kit.command import EXAMPLES, ROOT, Ran, lppack

BROKEN = ROOT / "tests/broken/10-one-of-each"


def assert_sarif(log: dict[str, Any]) -> None:
    """What SARIF 2.1.0 (OASIS) requires, and what GitHub's code scanning reads; by hand."""
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "lppack"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert set(rule) <= {"id", "shortDescription", "fullDescription", "help"}
        assert ("help" in rule) is (rule["id"] in {entry.id for entry in every()})
        assert rule["shortDescription"]["text"]
    for result in run["results"]:
        assert set(result) == {"ruleId", "ruleIndex", "level", "message", "locations"}
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note", "none")
        assert result["message"]["text"]
        for location in result["locations"]:
            place = location["physicalLocation"]
            uri = place["artifactLocation"]["uri"]
            assert re.fullmatch(r"[A-Za-z0-9_.~!$&'()*+,;=:@%/-]+", uri), uri
            if place["artifactLocation"].get("uriBaseId"):
                assert not uri.startswith("/")
                assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
            else:
                assert uri.startswith("file:///")
            assert place["region"]["startLine"] >= 1
            assert place["region"]["startColumn"] >= 1


def test_sarif_of_a_broken_patch() -> None:
    ran = lppack("validate", "--format", "sarif", BROKEN)
    assert ran.rc == 3
    assert_sarif(ran.json)
    run = ran.json["runs"][0]
    said = lppack("validate", "--format", "json", BROKEN).json["problems"]
    assert [result["ruleId"] for result in run["results"]] == [p["rule"] for p in said]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert set(rules) == {p["rule"] for p in said}
    known = [rule for rule in rules.values() if "help" in rule]
    assert known
    assert all(f"lppack explain {rule['id']}" in rule["help"]["text"] for rule in known)
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "tests/broken/10-one-of-each/manifest.yaml",
        "uriBaseId": "%SRCROOT%",
    }
    assert place["region"] == {"startLine": said[0]["line"], "startColumn": said[0]["column"]}


def test_sarif_of_a_good_patch() -> None:
    ran = lppack("validate", "--format", "sarif", EXAMPLES / "conn-limit")
    assert ran.rc == 0
    assert_sarif(ran.json)
    assert ran.json["runs"][0]["results"] == []


@pytest.mark.parametrize("file", ["/etc/a b/manifest.yaml", "../x/manifest.yaml", "ä/m.yaml"])
def test_a_file_anywhere(file: str) -> None:
    problem = Problem(file=file, line=1, column=1, level=Level.ERROR, rule="x-y", message="no")
    assert_sarif(sarif([problem]))


def test_the_pre_commit_hook(tmp_path: Path) -> None:
    """It is given the files that a commit changes: also C alone, and manifests of other tools."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["language"]) == ("lppack-validate", "python")
    assert set(hook["types_or"]) == {"yaml", "c", "header"} and "files" not in hook
    program, *words = hook["entry"].split()
    assert program == "lppack"
    patches = tmp_path / "patches"
    for name in ("conn-limit", "proc-cmdline"):
        shutil.copytree(EXAMPLES / name, patches / name)
    other = tmp_path / "k8s/manifest.yaml"
    other.parent.mkdir()
    other.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {lppack: no}\n")

    def commit(*files: str) -> Ran:
        return lppack(*words, *files, cwd=tmp_path)

    good = ("patches/proc-cmdline/manifest.yaml", "patches/conn-limit/target/conn.h")
    assert commit(*good, "k8s/manifest.yaml", "README.md").rc == 0
    ran = commit("k8s/manifest.yaml", "main.c")
    assert (ran.rc, ran.err) == (0, "ok: 0 manifests; no kernel was checked (--kernel)\n")
    source = patches / "conn-limit/conn_limit.c"
    source.write_text(source.read_text().replace("lp_convert_conn(c);", ""))
    ran = commit("patches/conn-limit/conn_limit.c", "patches/conn-limit/manifest.yaml")
    assert ran.rc == 3, ran.out
    assert "patches/conn-limit/manifest.yaml" in ran.out and "lp_convert_conn()" in ran.out
    assert "1 error" in ran.err, "the patch is checked once"
    (patches / "proc-cmdline/manifest.yaml").write_text("lppack: 1\n\tname: x\n")
    assert commit("patches/proc-cmdline/cmdline.c").rc == 3, "not YAML any more, and a patch still"


def test_from_the_version_before(tmp_path: Path) -> None:
    old, new = EXAMPLES / "conn-limit", tmp_path / "conn-limit"
    shutil.copytree(old, new)
    assert {p["rule"] for p in _problems(new, old)} == {"version-grows"}
    manifest = new / "manifest.yaml"
    text = manifest.read_text().replace("version: 1\ndesc", "version: 2\ndesc")
    manifest.write_text(text)
    (problem,) = _problems(new, old)
    assert (problem["rule"], problem["level"]) == ("version-takes-the-place", "warning")
    manifest.write_text(f"{text}replaces: [conn-limit]\n")
    assert _problems(new, old) == []
    header = new / "conn_ext.h"
    header.write_text(header.read_text().replace("unsigned long refused;", "u32 refused, more;"))
    (problem,) = _problems(new, old)
    assert problem["rule"] == "layout-has-its-own-version"
    assert problem["hint"].startswith("add an entry with version 2 and its own type")


def _problems(new: Path, old: Path) -> list[dict[str, Any]]:
    found = lppack("validate", "--from", old, "--format", "json", new).json["problems"]
    assert isinstance(found, list)
    return found


def test_from_goes_with_one_patch() -> None:
    ran = lppack("validate", "--from", EXAMPLES / "conn-limit", BROKEN, BROKEN)
    assert ran.rc == 2


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    """A patch that one rule warns of: a backtrace does not tell its function from the old one."""
    patch = Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "proc-cmdline"))
    for file in (patch / "cmdline.c", patch / "manifest.yaml"):
        file.write_text(file.read_text().replace("lp_cmdline_proc_show", "my_cmdline_proc_show"))
    return patch


def test_the_last_line_counts_and_says_that_no_kernel_was_asked(warned: Path) -> None:
    ran = lppack("validate", warned)
    assert ran.rc == 0
    assert "warning[" in ran.out
    assert ran.err == f"ok with 1 warning: {warned}; no kernel was checked (--kernel)\n"
    ran = lppack("validate", EXAMPLES / "proc-cmdline", EXAMPLES / "conn-limit")
    assert ran.err == "ok: 2 manifests; no kernel was checked (--kernel)\n"
    ran = lppack("validate", BROKEN)
    assert re.fullmatch(r"\d+ errors and \d+ warnings?: .*\n", ran.err), ran.err


def test_strict_fails_on_warnings(warned: Path) -> None:
    ran = lppack("validate", warned, "--strict")
    assert ran.rc == 3
    assert ran.err.startswith("1 warning: ")
    ran = lppack("validate", warned, "--strict", "--format", "json")
    assert (ran.rc, ran.json["ok"], ran.json["kernels"]) == (3, False, [])
    assert lppack("validate", EXAMPLES / "conn-limit", "--strict").rc == 0


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("license: GPL-2.0-only\n", "", 'has no "license"', "one of: GPL-2.0-only, GPL-2.0, "),
        ("needs: [LEAVE_PATCHED_SET, SWITCH_THREAD]\n", "", 'has no "needs"', "like needs: ["),
        ("name: proc-cmdline", "name: My_Cmdline", "does not fit", "small letters, digits and"),
        ("version: 1", "\tversion: 1", "indented by a tab", "YAML indents with blanks"),
        ("lp_cmdline_proc_show}", "lp_cmdlin_proc_show}", "defined in none", "did you mean"),
    ],
)
def test_a_way_out(old: str, new: str, message: str, hint: str, tmp_path: Path) -> None:
    patch = Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "p"))
    manifest = patch / "manifest.yaml"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    found = lppack("validate", patch, "--format", "json").json["problems"]
    assert any(message in p["message"] and hint in (p["hint"] or "") for p in found), found


def test_another_part_of_a_patch_is_no_manifest() -> None:
    ran = lppack("validate", EXAMPLES / "proc-cmdline/cmdline.c")
    assert ran.rc == 3
    assert "error[file]: is not a manifest" in ran.out
    assert f"hint: give {EXAMPLES / 'proc-cmdline'}" in ran.out


def test_a_transform_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    patch = Path(shutil.copytree(EXAMPLES / "conn-limit", tmp_path / "p"))
    manifest = patch / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("transform: conn}", "transform: con}"))
    found = lppack("validate", patch, "--format", "json").json["problems"]
    assert "the transforms are: conn" in [problem["hint"] for problem in found]


@pytest.mark.parametrize("checked", [False, True])
def test_what_was_not_checked_is_said(
    checked: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ("6.1.0-9-amd64", set[Problem](), checked)
    monkeypatch.setattr("lppack.pipeline.check._of_kernel", lambda *_: answer)
    path = str(EXAMPLES / "proc-cmdline")
    run = (path, "--kernel", "6.1.0-9-amd64")
    commands(["validate", *run], standalone_mode=False)
    said = capsys.readouterr().err
    assert f"ok: {path} on 6.1.0-9-amd64\n" in said
    assert ("not checked on 6.1.0-9-amd64: " in said) is not checked
    commands(["validate", *run, "--format", "json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["inlining_unchecked"] == (
        [] if checked else ["6.1.0-9-amd64"]
    )


def test_the_way_to_a_proof() -> None:
    none = Proof(complete=Completeness.NOT_CHECKED, follows_nothing=True)
    part = Proof(complete=Completeness.INCOMPLETE, reasons=("x",))
    assert "follows: change.diff" in _way_to_a_proof([none])
    assert "follows: change.diff" not in _way_to_a_proof([none, part])
