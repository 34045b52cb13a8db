# SPDX-License-Identifier: MIT
"""What a person reads of a live patch: each of its states has a line."""

from dataclasses import replace
from typing import Any

import pytest

from lppack.abi import PatchPhase
from lppack.cli.patches import patch_lines
from lppack.engines.protocol import Blocker
from lppack.stages.status import PatchReport

FIX = {"cve": "CVE-2026-0001", "functions": ["f"], "live": True, "in_part": False, "waits": False}
LIVE = PatchReport(
    series="conn-limit",
    version=2,
    module="lppack_conn_limit_2",
    engine="livepatch",
    mode="hybrid",
    host="local",
    phase=PatchPhase.PATCHED,
    conversion="none",
    converted=0,
    blockers=(),
    fixes=(),
)
BLOCKER = Blocker(pid=7, tid=8, comm="web", function="f", reason="sleeps in f")


def lines(**changes: Any) -> list[str]:
    return patch_lines(replace(LIVE, **changes))


def test_a_patch_of_which_all_is_well() -> None:
    assert lines() == [
        "conn-limit 2 on local: patched",
        "  mode hybrid of engine livepatch: LEAVE_PATCHED_SET SWITCH_THREAD",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"forced": True}, "  a transition was forced: threads may run old or new code"),
        ({"longest_stop_ms": 1.26}, "  longest stop of the kernel: 1.3 ms"),
        (
            {"inlining": "unchecked"},
            "  inlining was not checked: callers may contain inlined copies of the old code",
        ),
        ({"complete": "not checked"}, "  not proved to be complete: see lppack build --prove"),
        ({"problem": "no memory"}, "  the engine gave up the last transition: no memory"),
        ({"srcversion": "D02E"}, "  srcversion D02E"),
        (
            {"waiting": (("conn", "f"), ("conn", "g"))},
            "  waits for module conn, which is not loaded: f, g",
        ),
        (
            {"overridden": (("vmlinux", "f", "kpatch_1"),)},
            "  f of vmlinux runs in kpatch_1, which was loaded later",
        ),
        ({"fixes": (FIX,)}, "  CVE-2026-0001: live"),
        ({"fixes": ({**FIX, "live": False},)}, "  CVE-2026-0001: not live"),
        ({"fixes": ({**FIX, "live": False, "in_part": True},)}, "  CVE-2026-0001: live in part"),
        (
            {"fixes": ({**FIX, "live": False, "waits": True},)},
            "  CVE-2026-0001: not live: its module is not loaded; it is patched when it is loaded",
        ),
    ],
)
def test_each_state_has_a_line(changes: dict[str, Any], line: str) -> None:
    assert line in lines(**changes)
    assert line not in lines()


def test_who_holds_a_transition_up() -> None:
    moving = lines(phase=PatchPhase.PATCHING, blockers=(BLOCKER,), seconds=4.2)
    assert "  blocked by web (pid 7): sleeps in f, for 4 s" in moving
    assert "  no thread blocks the transition at this moment" in lines(phase=PatchPhase.PATCHING)


def test_a_foreign_patch_is_named_by_its_module() -> None:
    assert lines(series=None, version=None, mode=None)[0] == (
        "lppack_conn_limit_2 (foreign) on local: patched"
    )


def test_of_a_patch_that_is_gone_only_its_fixes_are_shown() -> None:
    gone = lines(phase=PatchPhase.ABSENT, longest_stop_ms=3.0, fixes=({**FIX, "live": False},))
    assert gone == ["conn-limit 2 on local: absent", "  CVE-2026-0001: not live"]
