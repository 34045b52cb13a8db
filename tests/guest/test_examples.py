# SPDX-License-Identifier: MIT
"""Every example does in a private guest what its checks say."""

import pytest

from tests.command import EXAMPLES, lppack

pytestmark = pytest.mark.guest

#: tests/guest/test_road.py takes these, and tests/guest/test_fixes.py the last.
ELSEWHERE = {"proc-cmdline", "conn-limit", "fixes"}
NAMES = sorted({folder.name for folder in EXAMPLES.iterdir()} - ELSEWHERE)


@pytest.mark.parametrize("name", NAMES)
def test_example(name: str) -> None:
    ran = lppack("test", EXAMPLES / name, "--format", "json")
    assert ran.rc == 0, ran.err
    checks = [check for step in ran.json["steps"] for check in step["checks"]]
    assert checks and all(check["ok"] for check in checks)
