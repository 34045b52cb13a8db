# SPDX-License-Identifier: MIT
"""Unpacked kernel packages on disk: what is in one, and which suite it is of."""

from pathlib import Path

import pytest

from lppack.debian import tree
from lppack.errors import EnvironmentMissing
from tests.kit.fake_source import RELEASE, make_tree


def test_a_tree_has_exactly_one_kernel(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="no kernel in it: boot/vmlinuz"):
        tree.from_tree(tmp_path)
    make_tree(tmp_path)
    make_tree(tmp_path, "6.1.0-10-amd64")
    with pytest.raises(EnvironmentMissing, match="more than one kernel"):
        tree.from_tree(tmp_path)


def test_a_tree_without_config_or_with_a_strange_image_is_refused(tmp_path: Path) -> None:
    make_tree(tmp_path)
    (tmp_path / f"boot/config-{RELEASE}").unlink()
    with pytest.raises(EnvironmentMissing, match="config-6.1.0-9-amd64 is missing"):
        tree.from_tree(tmp_path)
    make_tree(tmp_path)
    (tmp_path / f"boot/vmlinuz-{RELEASE}").write_bytes(b"MZ")
    with pytest.raises(EnvironmentMissing, match="not a Linux kernel image"):
        tree.from_tree(tmp_path)


@pytest.mark.parametrize("note", ["", "[]", "null", "{", '{"suite": 1}', '{"package": ["x"]}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, note: str) -> None:
    made = make_tree(tmp_path / "tree")
    plain = tree.from_tree(made)
    (made / "lppack-kernel.json").write_text(note)
    assert tree.from_tree(made) == plain


def test_what_the_files_do_not_tell_is_noted_beside_them(tmp_path: Path) -> None:
    made = make_tree(tmp_path / "tree")
    tree.write_note(made, "6.12.9-1~bpo13+1", "trixie")
    kernel = tree.from_tree(made)
    assert (kernel.package, kernel.suite) == ("6.12.9-1~bpo13+1", "trixie")


@pytest.mark.parametrize("head", [b"", b"MZ", bytes(0x202) + b"HdrS", bytes(0x202) + b"HdrS\0\0"])
def test_an_image_that_is_cut_short_is_named(tmp_path: Path, head: bytes) -> None:
    made = make_tree(tmp_path / "tree")
    (made / f"boot/vmlinuz-{RELEASE}").write_bytes(head)
    with pytest.raises(EnvironmentMissing, match="not a Linux kernel image for x86"):
        tree.from_tree(made)


@pytest.mark.parametrize(
    ("version", "suite"),
    [
        ("6.1.9-1", None),
        ("6.1.9-1+deb12u1", "bookworm"),
        ("6.12.9-1~bpo13+1", "trixie"),
        ("6.12.9-1~deb12u1", "bookworm"),
        ("6.12.9-1~bpo99+1", None),
        ("", None),
    ],
)
def test_the_suite_that_a_version_names(version: str, suite: str | None) -> None:
    assert tree.suite_of_version(version) == suite


def test_modules_may_be_in_usr(tmp_path: Path) -> None:
    made = make_tree(tmp_path / "tree")
    there = made / f"usr/lib/modules/{RELEASE}"
    there.mkdir(parents=True)
    assert tree.from_tree(made).modules == there
    (made / f"lib/modules/{RELEASE}").mkdir(parents=True)
    assert tree.from_tree(made).modules == made / f"lib/modules/{RELEASE}"
