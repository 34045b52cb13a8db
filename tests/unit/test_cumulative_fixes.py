# SPDX-License-Identifier: MIT
"""examples/fixes/all and all-2 are what tools/cumulative.py makes of the fixes."""

from pathlib import Path

import pytest

from lppack import pipeline
from tools.cumulative import FIXES, PATCHES, manifest_of, write


@pytest.mark.parametrize("name", sorted(PATCHES))
def test_the_cumulative_patches_are_up_to_date(name: str, tmp_path: Path) -> None:
    write(tmp_path, *PATCHES[name])
    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(FIXES / name): p for p in (FIXES / name).rglob("*") if p.is_file()}
    assert kept.keys() - made.keys() == {Path("README.md")}
    assert made == {path: kept[path].read_bytes() for path in made}


@pytest.mark.parametrize("name", sorted(PATCHES))
def test_they_go_on_with_what_secretmem_has_converted(name: str) -> None:
    _, before = pipeline.ids_of(FIXES / "secretmem")
    _, names = pipeline.ids_of(FIXES / name)
    assert set(before.values()) <= set(names.values())


@pytest.mark.parametrize("name", ["proc-nlink", "tcp-reordering"])
def test_the_states_of_hooks_are_reserved(name: str) -> None:
    ids, _ = pipeline.ids_of(FIXES / name)
    mine = [number for key, number in ids.reserved.items() if key.startswith(f"{name}/")]
    assert [state["id"] for state in manifest_of(name)["states"]] == mine
