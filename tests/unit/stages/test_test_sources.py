# SPDX-License-Identifier: MIT
"""The sources of a patch's test targets and programs, by the path at which a build has them."""

from pathlib import Path

from lppack.model import TestSpec as Spec  # pytest would collect Test*
from lppack.stages import test_sources
from tests.kit.samples import NO_TEST, manifest, plan


def folder(at: Path) -> Path:
    for name in (
        *("target/Kbuild", "target/conn.c", "target/inner/conn.h", "target/conn.o"),
        *("target/notes.txt", "load/opener.c", "load/other.c"),
    ):
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(name)
    (at / "target/empty.c").mkdir()  # a folder
    return at


def files(at: Path, spec: Spec) -> dict[str, Path]:
    return dict(test_sources.test_files(plan(manifest(at, test=spec))))


def test_of_the_targets_all_that_kbuild_reads(tmp_path: Path) -> None:
    spec = Spec(targets=("conn",), programs=(), boot=(), checks=())
    at = folder(tmp_path)
    assert files(at, spec) == {
        "target/Kbuild": at / "target/Kbuild",
        "target/conn.c": at / "target/conn.c",
        "target/inner/conn.h": at / "target/inner/conn.h",
    }


def test_of_the_programs_those_that_are_named(tmp_path: Path) -> None:
    spec = Spec(targets=(), programs=("load/opener.c",), boot=(), checks=())
    assert files(folder(tmp_path), spec) == {"programs/load/opener.c": tmp_path / "load/opener.c"}


def test_without_a_test_nothing_is_built_for_one(tmp_path: Path) -> None:
    assert files(folder(tmp_path), NO_TEST) == {}
    assert files(tmp_path / "none", NO_TEST) == {}
