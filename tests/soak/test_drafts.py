# SPDX-License-Identifier: MIT
"""draft on the diffs of all ten fixes as they are; by hand: invoke soak drafts."""

import sys
from pathlib import Path

import pytest

from tests.docker.test_draft import BUILT, DATA, of_fix

pytestmark = pytest.mark.docker


def test_ten_diffs(tmp_path: Path) -> None:
    found: dict[str, list[str]] = {"built": [], "to be filled in": [], "not built": []}
    for name in (*BUILT, *DATA, "binfmt-misc"):
        ran = of_fix(name, tmp_path / name)
        assert ran.rc == 0, ran.err
        why = ran.json["why"] or ""
        kind = (
            "built" if ran.json["built"] else "to be filled in" if "fill in" in why else "not built"
        )
        found[kind].append(name)
        sys.stderr.write(f"\n  {name:<16} {kind}: {why.partition(chr(10))[0] or 'as it was'}")
    assert sorted(found["built"]) == sorted(BUILT)
    assert found["to be filled in"] == list(DATA)
    assert found["not built"] == ["binfmt-misc"]
