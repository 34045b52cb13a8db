# SPDX-License-Identifier: MIT
"""What is known of a patch before anything is built."""

import shutil
from pathlib import Path

import pytest

from lppack.errors import ManifestError
from lppack.pipeline.check import check_patch, ids_of, patches_of, reserve_id
from tests.kit.bundles import made
from tests.kit.command import EXAMPLES


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / "conn-limit", tmp_path / "conn-limit"))


def edited(patch: Path, old: str, new: str) -> None:
    text = (patch / "manifest.yaml").read_text()
    assert old in text
    (patch / "manifest.yaml").write_text(text.replace(old, new, 1))


def test_a_patch_in_which_nothing_is_wrong(patch: Path) -> None:
    found = check_patch(patch, ())
    assert (found.problems, found.kernels, found.inlining_unchecked) == ((), (), ())


def test_all_problems_at_once_in_the_order_of_the_file(patch: Path) -> None:
    edited(patch, "license: GPL-2.0-only", "license: MIT-ish")
    edited(patch, "version: ", "version: x")
    problems = check_patch(patch, ()).problems
    assert len(problems) >= 2
    assert list(problems) == sorted(problems, key=lambda problem: problem.sort_key)


@pytest.mark.parametrize("text", ["", "a: [", "- x", "\x00"])
def test_a_manifest_that_cannot_be_read_is_a_problem_of_it(patch: Path, text: str) -> None:
    (patch / "manifest.yaml").write_text(text)
    found = check_patch(patch, ())
    assert found.problems and found.kernels == ()
    assert all(problem.file.endswith("manifest.yaml") for problem in found.problems)


def test_a_version_that_does_not_grow_is_a_problem_of_the_two(patch: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(patch, tmp_path / "old"))
    rules = {problem.rule for problem in check_patch(patch, (), old=old).problems}
    assert "version-grows" in rules


def test_the_older_version_may_be_a_bundle(patch: Path, tmp_path: Path) -> None:
    bundle = made(tmp_path / "in", tmp_path)
    rules = {problem.rule for problem in check_patch(patch, (), old=bundle).problems}
    assert rules, "conn-limit 2 has other data than the one in the bundle"
    assert not [*tmp_path.glob("lppack-*")]


def test_the_patches_that_files_are_in(
    patch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pre-commit hook names them; C as well as the manifest, below the folder too."""
    monkeypatch.chdir(tmp_path)
    inner = next(file for file in patch.rglob("*.c") if file.parent != patch)
    files = [patch / "manifest.yaml", inner, tmp_path / "README.md", Path("conn-limit/conn.c")]
    assert patches_of(files) == (Path("conn-limit"),)
    assert patches_of([]) == patches_of([Path("/")]) == ()
    monkeypatch.chdir(patch)
    assert patches_of([Path("manifest.yaml")]) == (Path(),)


def test_each_name_of_a_patch_has_its_id(patch: Path) -> None:
    _, names = ids_of(patch)
    assert len(set(names.values())) == len(names) > 1
    assert any("conn" in name for name in names)
    edited(patch, "name: conn-limit", "name: Conn")
    with pytest.raises(ManifestError):
        ids_of(patch)


def test_a_reserved_id_is_in_the_id_file_of_the_repository(patch: Path) -> None:
    number, file = reserve_id("another", patch)
    assert str(number) in file.read_text() or f"{number:#x}" in file.read_text()
