# SPDX-License-Identifier: MIT
"""examples/fixes/all and all-2 are what tools/cumulative.py makes of the fixes."""

from pathlib import Path

import pytest

from tools.cumulative import FIXES, PATCHES, write


@pytest.mark.parametrize("name", sorted(PATCHES))
def test_the_cumulative_patches_are_up_to_date(name: str, tmp_path: Path) -> None:
    write(tmp_path, *PATCHES[name])
    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(FIXES / name): p for p in (FIXES / name).rglob("*") if p.is_file()}
    assert kept.keys() - made.keys() == {Path("README.md")}
    assert made == {path: kept[path].read_bytes() for path in made}
