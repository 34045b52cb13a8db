# SPDX-License-Identifier: MIT
"""Warnings of validate are shown by plan and build, and a release answers to them."""

import shutil
from pathlib import Path

import pytest

from tests.kit.command import EXAMPLES, check_shape, lppack

pytestmark = pytest.mark.docker

KERNEL, LATER = "6.1.0-47-amd64", "6.1.0-57-amd64"
RULE = "replacement-name-shows-its-origin"
ACCEPTED = ("--release", "--unproved", "--inlining-unchecked")


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    patch = Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "proc-cmdline"))
    for file in (patch / "cmdline.c", patch / "manifest.yaml"):
        file.write_text(file.read_text().replace("lp_cmdline_proc_show", "my_cmdline_proc_show"))
    return patch


def test_plan_and_build_print_them(warned: Path, tmp_path: Path) -> None:
    for words in (("plan",), ("build", "-o", tmp_path)):
        ran = lppack(*words, warned, "--kernel", KERNEL)
        assert ran.rc == 0, ran.err
        assert f"warning[{RULE}]" in ran.err
        ran = lppack(*words, warned, "--kernel", KERNEL, "--format", "json")
        check_shape(words[0], ran.json)
        report = ran.json if words[0] == "plan" else ran.json["bundles"][0]
        assert [warning["rule"] for warning in report["warnings"]] == [RULE]


def test_a_release_names_them(warned: Path, tmp_path: Path) -> None:
    build = ("build", warned, "--kernel", KERNEL, "-o", tmp_path, *ACCEPTED)
    ran = lppack(*build, "--format", "json")
    assert ran.rc == 9, ran.out
    assert f"warning[{RULE}]" in ran.json["error"]["message"]
    assert f"--accept {RULE}" in ran.json["error"]["hint"]
    assert not list(tmp_path.glob("*.lpp"))
    assert lppack(*build, "--accept", "some-other-rule").rc == 9
    ran = lppack(*build, "--accept", RULE)
    assert ran.rc == 0, ran.err
    assert f"accepted: {RULE}" in lppack("inspect", ran.out.strip()).out
    ran = lppack("build", warned, "--accept", RULE)
    assert (ran.rc, "--accept requires --release" in ran.err) == (2, True)


def test_a_bundle_will_do_for_the_version_before(warned: Path, tmp_path: Path) -> None:
    """Of what is live one often has nothing else; manifest and sources are in it."""
    ran = lppack("build", EXAMPLES / "conn-limit", "--kernel", KERNEL, "-o", tmp_path)
    assert ran.rc == 0, ran.err
    new = Path(shutil.copytree(EXAMPLES / "conn-limit", tmp_path / "conn-limit"))
    header = new / "conn_ext.h"
    header.write_text(header.read_text().replace("unsigned long refused;", "u32 refused, more;"))
    ran = lppack("validate", new, "--from", ran.out.strip(), "--format", "json")
    rules = {problem["rule"] for problem in ran.json["problems"]}
    assert {"version-grows", "layout-has-its-own-version"} <= rules


def test_validate_asks_each_kernel_that_is_named(tmp_path: Path) -> None:
    patch = Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "proc-cmdline"))
    both = ("--kernel", KERNEL, "--kernel", LATER)
    ran = lppack("validate", patch, *both)
    assert (ran.rc, ran.err.splitlines()[0]) == (0, f"ok: {patch} on {KERNEL}, {LATER}")
    manifest = patch / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("6.1.0-*-amd64", LATER))
    ran = lppack("validate", patch, *both, "--format", "json")
    assert ran.rc == 3, ran.out
    check_shape("validate", ran.json)
    assert ran.json["kernels"] == [KERNEL, LATER]
    [problem] = ran.json["problems"]
    assert problem["rule"] == "kernel-is-named"
    assert problem["message"].endswith(f"(on {KERNEL})")
    ran = lppack("validate", patch, "--kernel", LATER)
    assert ran.err.splitlines()[0] == f"ok: {patch} on {LATER}"
