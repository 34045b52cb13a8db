# SPDX-License-Identifier: MIT
"""Each decision of a plan has its reason."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.planned import one, planned
from tests.kit.samples import RELEASE


@pytest.mark.parametrize(
    ("extra", "words", "reason"),
    [
        ("", {}, "the weakest mode"),
        ("mode: hybrid\n", {}, "in the manifest"),
        ("", {"mode": "hybrid"}, "with --mode"),
    ],
)
def test_why_this_mode(tmp_path: Path, extra: str, words: dict[str, Any], reason: str) -> None:
    made = planned(tmp_path, one("cmdline_proc_show", extra=extra), **words)
    (why,) = (item.why for item in made.decisions if item.what == "mode")
    assert reason in why


def test_every_decision_has_a_reason(tmp_path: Path) -> None:
    made = planned(tmp_path, one("cmdline_proc_show"))
    decisions = {item.what: item.value for item in made.decisions}
    assert decisions["kernel"] == RELEASE
    assert decisions["module"] == "lppack_conn_limit_2"
    assert decisions["compiler"] == "gcc-12"
    assert decisions["replace vmlinux:cmdline_proc_show"] == "lp_x"
    assert decisions["phase 2"] == "none"
    assert all(item.why for item in made.decisions)
    assert len(decisions) == len(made.decisions)
