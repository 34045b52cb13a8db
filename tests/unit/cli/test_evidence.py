# SPDX-License-Identifier: MIT
"""vex and cves, as they print."""

import json
from pathlib import Path

import pytest

from tests.kit.cli import cli
from tests.kit.command import check_shape


def test_a_vex_of_a_bundle(bundle: Path) -> None:
    ran = cli("vex", bundle, "--author", "Jo Doe")
    document = json.loads(ran.out)
    assert (ran.rc, document["author"]) == (0, "Jo Doe")
    named = {one["vulnerability"]["name"]: one["status"] for one in document["statements"]}
    assert named == {"CVE-2026-0001": "affected"}, "it is not applied"


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_tracker_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tracker.json"
    file.write_text(text)
    ran = cli("cves", file, "--on", "simulated", "--format", "json")
    assert (ran.rc, ran.json["error"]["code"]) == (4, 4)
    check_shape("error", ran.json)
    assert "tracker.json" in ran.json["error"]["message"]


def test_another_format_is_wrong_usage(bundle: Path) -> None:
    ran = cli("vex", bundle, "--format", "spdx")
    assert ran.rc == 2
    assert "openvex" in ran.err
