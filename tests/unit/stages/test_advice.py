# SPDX-License-Identifier: MIT
"""The advice for an operator about each thread that holds a transition up."""

from lppack.engines.protocol import Blocker
from lppack.stages.advice import advice


def test_the_advice_fits_the_reason() -> None:
    def blocker(pid: int, reason: str, function: str | None) -> Blocker:
        return Blocker(pid=pid, tid=pid, comm="sh", function=function, reason=reason)

    many = [blocker(pid, "runs in f", "f") for pid in (1, 2, 3, 4)]
    assert advice(many).startswith("sh (pid 1), sh (pid 2), sh (pid 3) and 1 more: runs inside f")
    assert "leave f" in advice([blocker(1, "is in f", "f")])
    assert "was not checked yet" in advice([blocker(1, "not checked yet, or ...", None)])
    assert advice([blocker(1, "runs, and has not", None)]).endswith("next system call or sleep")
    assert advice([]).startswith("wait")
    for reason in ("runs inside f", "sleeps in f", "is in f"):
        assert advice([blocker(1, reason, "f")]).endswith("wait, or revert the patch")
    assert "init" not in advice([blocker(1, "runs, and has not", None)])
