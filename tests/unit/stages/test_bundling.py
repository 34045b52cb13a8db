# SPDX-License-Identifier: MIT
"""Bundles are written; tests/unit/stages/test_bundle.py reads them back."""

from pathlib import Path

from lppack.stages.bundling import file_name
from tests.kit.bundles import made
from tests.kit.samples import manifest, plan


def test_its_name_says_what_it_is_for(tmp_path: Path) -> None:
    path = made(tmp_path / "in", tmp_path)
    assert path.name == "conn-limit-2_6.1.0-56-amd64.lpp"
    assert path.name == file_name(plan(manifest(name="conn-limit", version=2)))


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    one = made(tmp_path / "one/in", tmp_path / "one")
    other = made(tmp_path / "other/in", tmp_path / "other", when=2_000_000_000)
    assert one.read_bytes() == other.read_bytes()
