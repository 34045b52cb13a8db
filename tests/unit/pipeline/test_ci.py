# SPDX-License-Identifier: MIT
"""A build of many pairs as jobs of a CI service."""

import json
from pathlib import Path

import pytest
import yaml

from lppack.errors import EnvironmentMissing
from lppack.pipeline import ci
from tests.unit.pipeline.jobs import KERNELS, patch


def test_a_job_for_each_kernel_with_the_patches_for_it(tmp_path: Path) -> None:
    every = [patch(tmp_path, "a", "6.1.0-*-amd64"), patch(tmp_path, "b", *KERNELS[:2])]
    found = ci.jobs(every, KERNELS)
    assert found == {KERNELS[0]: tuple(every), KERNELS[1]: (every[1],)}
    matrix = json.loads(ci.github(found, "--builder host"))
    a, b = map(str, every)
    assert matrix == {
        "include": [
            {"kernel": KERNELS[0], "patches": f"{a} {b}", "options": "--builder host"},
            {"kernel": KERNELS[1], "patches": b, "options": "--builder host"},
        ]
    }


def test_what_cannot_be_a_job_is_said(tmp_path: Path) -> None:
    one = patch(tmp_path, "a", "6.1.0-*-amd64")
    with pytest.raises(EnvironmentMissing, match="none of the patches is for one"):
        ci.jobs([one], KERNELS[1:])
    for name in ("a b", "a;b", "$(x)"):
        with pytest.raises(EnvironmentMissing, match="would have to be quoted"):
            ci.jobs([one.rename(tmp_path / name)], KERNELS)
        one = tmp_path / name
    many = {f"6.1.0-{number}-amd64": (one,) for number in range(257)}
    with pytest.raises(EnvironmentMissing, match="257 kernels exceed the 256 jobs"):
        ci.github(many, "")


def test_a_patch_is_built_once_for_a_kernel_however_often_it_is_named(tmp_path: Path) -> None:
    one = patch(tmp_path, "a", "6.1.0-*-amd64")
    assert ci.jobs([one, one], [KERNELS[0], KERNELS[0]]) == {KERNELS[0]: (one,)}


def test_the_child_pipeline_tests_what_it_has_built() -> None:
    made = yaml.safe_load(ci.gitlab({KERNELS[0]: (Path("a"), Path("b"))}, ""))
    build, test = (made[f"{verb} {KERNELS[0]}"] for verb in ("build", "test"))
    assert build["script"] == [f"lppack build --kernel {KERNELS[0]} -o out --junit junit.xml a b"]
    assert test["needs"] == [f"build {KERNELS[0]}"]
    assert build["artifacts"]["paths"] == ["out/*.lpp"] and "out/*.lpp" in test["script"][0]
    assert list(made["stages"]) == [build["stage"], test["stage"]]


def test_each_service_has_its_own_form(tmp_path: Path) -> None:
    one = patch(tmp_path, "a", "6.1.0-*-amd64")
    assert json.loads(ci.plan("github", [one], KERNELS[:1], ""))["include"]
    assert "\n" not in ci.plan("github", [one], KERNELS[:1], ""), "it is an output of a step"
    assert yaml.safe_load(ci.plan("gitlab", [one], KERNELS[:1], ""))["stages"]
