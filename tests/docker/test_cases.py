# SPDX-License-Identifier: MIT
"""draft on diffs that it once got wrong, each of a kind: every answer is the right one."""

from pathlib import Path

import pytest

from tests.docker.cases import CASES, KERNEL
from tests.kit.command import check_shape, lppack

pytestmark = pytest.mark.docker

HERE = Path(__file__).parent.parent / "cases"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.slow])
def test_case(name: str, tmp_path: Path) -> None:
    answer_is_right(name, tmp_path)


def answer_is_right(name: str, folder: Path) -> None:
    """Draft the diff, and compare the JSON with what CASES says."""
    case = CASES[name]
    words = ("--kernel", KERNEL, "-o", folder / "made", "--format", "json")
    ran = lppack("draft", HERE / f"{name}.diff", *words, limit=900.0)
    assert ran.rc == case.rc, ran.err
    check_shape("draft" if "built" in ran.json else "draft-refused", ran.json)
    assert ran.json["complete"] == case.complete, ran.json
    replaced = {
        entry["name"]: sorted(function["name"] for function in entry["functions"])
        for entry in ran.json["objects"]
    }
    assert replaced == {name: sorted(names) for name, names in case.replaced.items()}
    assert sorted({line["path"] for line in ran.json["left_out"]}) == sorted(case.left_out)
    for line in ran.json["left_out"]:
        assert line["what"] and line["why"]
    if case.complete == "proved":
        assert ran.json["built"] and not ran.json["not_checked"]


def test_what_has_no_effect_is_said_with_its_place(tmp_path: Path) -> None:
    diff = HERE / "p1-igmp-and-mcast.diff"
    words = ("--kernel", KERNEL, "-o", tmp_path / "no", "--format", "json")
    ran = lppack("draft", diff, *words, limit=900.0)
    assert ran.rc == 9
    assert [(line["path"], line["what"], line["why"]) for line in ran.json["no_effect"]] == [
        ("net/ipv4/igmp.c", "igmp_gq_start_timer", "the object code is identical"),
        ("net/ipv6/mcast.c", "mld_gq_start_work", "the object code is identical"),
    ]
    assert not (tmp_path / "no").exists()
