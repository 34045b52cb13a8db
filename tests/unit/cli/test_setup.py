# SPDX-License-Identifier: MIT
"""doctor: what it prints of this machine."""

from tests.kit.cli import cli
from tests.kit.command import check_shape


def test_text_and_json_say_the_same_of_this_machine() -> None:
    shown = cli("doctor", "--format", "json")
    check_shape("doctor", shown.json)
    assert shown.rc == (0 if shown.json["ok"] else 4)
    text = cli("doctor")
    assert text.rc == shown.rc
    for finding in shown.json["findings"]:
        assert f"  {finding['name']}: " in text.out
        assert finding["ok"] or finding["fix"] or finding["text"]


def test_a_kernel_is_not_fixed() -> None:
    ran = cli("doctor", "--kernel", "6.1.0-1-amd64", "--fix")
    assert ran.rc == 2
    assert "--kernel checks a kernel" in ran.err
