# SPDX-License-Identifier: MIT
"""draft on the diffs of all ten fixes as they are; by hand: invoke soak drafts."""

import sys
from pathlib import Path

import pytest

from tests.kit.drafts import BUILT, DATA, of_fix
from tests.soak.page import write_table

pytestmark = pytest.mark.docker


def test_ten_diffs(tmp_path: Path) -> None:
    found: dict[str, list[str]] = {"built": [], "to be filled in": [], "not built": []}
    rows = []
    for name in (*BUILT, *DATA, "binfmt-misc"):
        ran = of_fix(name, tmp_path / name)
        answer = ran.json
        why = (answer.get("why") or answer["error"]["message"] if ran.rc else "").splitlines()
        why = why[-1].strip().replace(f"{tmp_path / name}/", "") if why else ""
        kind = (
            "built"
            if answer.get("built")
            else "to be filled in"
            if "fill in" in why
            else "not built"
        )
        assert (ran.rc == 0) is (kind == "built" and answer["complete"] != "incomplete")
        found[kind].append(name)
        data = [line for line in answer.get("decide", ()) if any(sign in line for sign in OF_DATA)]
        said = "; ".join(data) if kind == "to be filled in" else why
        functions = "; ".join(
            f"{entry['name']}: " + ", ".join(f"`{f['name']}`" for f in entry["functions"])
            for entry in ran.json["objects"]
        )
        rows.append((name, functions or "none", kind, said))
        sys.stderr.write(f"\n  {name:<16} {kind}: {said or 'as it was'}")
    last = f"{len(found['built'])} of {len(rows)} build unedited."
    write_table("ten", ("fix", "replaced", "draft", "why"), rows, last)
    assert sorted(found["built"]) == sorted(BUILT)
    assert found["to be filled in"] == list(DATA)
    assert found["not built"] == ["binfmt-misc"]


#: What draft says of data.
OF_DATA = (
    "is static data with other contents",
    "is counted otherwise",
    "is new: state",
    "layout of",
)
