# SPDX-License-Identifier: MIT
"""Every example does in a private guest what its checks say."""

import pytest

from lppack.debian.supported import releases_of
from tests.kit.command import EXAMPLES, lppack
from tests.kit.guest import TRIXIE

pytestmark = pytest.mark.guest

#: tests/guest/test_road.py takes these, and tests/guest/test_fixes.py the last.
ELSEWHERE = {"proc-cmdline", "conn-limit", "fixes"}
NAMES = sorted({folder.name for folder in EXAMPLES.iterdir()} - ELSEWHERE)


#: Those that Debian 13's kernel takes too; tests/guest/test_slots.py has a third on both.
ON_TRIXIE = ("saved-cmdline", "loop-dio", "ledger")
#: Those that the kernel of Debian 13's backports takes as well, by the kernel's own engine.
ON_BACKPORTS = ("saved-cmdline", "loop-dio")
BACKPORTS = releases_of("7.2")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        *((name, None) for name in NAMES),
        *((name, TRIXIE) for name in ON_TRIXIE),
        *((name, BACKPORTS) for name in ON_BACKPORTS),
    ],
)
def test_example(name: str, pattern: str | None) -> None:
    kernel = ("--kernel", pattern) if pattern else ()
    ran = lppack("test", EXAMPLES / name, *kernel, "--format", "json")
    assert ran.rc == 0, ran.err
    checks = [check for step in ran.json["steps"] for check in step["checks"]]
    assert checks and all(check["ok"] for check in checks)
    assert ran.json["simulator"]["differences"] == []


@pytest.mark.parametrize("mode", ("hybrid", "kpatch", "kgraft", "checkpoint"))
def test_the_engine_on_the_next_debian(mode: str) -> None:
    words = ("--engine", "consistency", "--mode", mode, "--kernel", TRIXIE, "--format", "json")
    ran = lppack("test", EXAMPLES / "saved-cmdline", *words)
    assert ran.rc == 0, ran.err
    assert (ran.json["engine"], ran.json["mode"]) == ("consistency", mode)
