# SPDX-License-Identifier: MIT
"""Real fixes, live side by side, then ten as one cumulative patch, and its next version."""

import pytest

from lppack.abi import PatchPhase
from lppack.errors import ApplyReversed
from lppack.stages.apply import Control, apply
from tests.kit.fixes import Fixes, fixes, run_rounds
from tools.cumulative import FIRST, SECOND

__all__ = ["fixes"]  # fixtures

pytestmark = pytest.mark.guest


def objects(fixes: Fixes) -> dict[str, str]:
    """What is seen of objects that were there before any patch."""
    return {
        "namespace": fixes.sh("/test/reordering held old"),
        "file": fixes.sh("/test/secretmem ask").partition("; ")[2],
        "device": fixes.sh("/test/loop try 7"),
    }


#: What changes data, and what uses symbols of a module; tests/soak/test_fixes.py has all ten.
ALONE = ("loop-block-size", "proc-nlink", "secretmem", "tcp-reordering")
DEFECT = {
    "namespace": "value -7\nold: -5 accepted, value -5",
    "file": "12 others: granted",
    "device": "under an exclusive owner: changed, block size 4096",
}
FIXED = {
    "namespace": "value 1\nold: -5 Invalid argument, value 1",
    "file": "12 others: Cannot allocate memory",
    "device": "under an exclusive owner: Device or resource busy, block size 512",
}


def test_one_by_one_then_all_then_the_next_version(fixes: Fixes) -> None:
    fixes.sh("/test/reordering hold old -7; /test/secretmem hold")
    fixes.sh("/test/binfmt add early; /test/binfmt add late")
    assert fixes.live() == set()
    assert objects(fixes) == DEFECT
    for name in ALONE:
        fixes.apply(name)
    assert fixes.live() == set(ALONE)
    assert objects(fixes) == FIXED
    assert fixes.converted("secretmem") == 1

    fixes.apply("all", convert=False)
    assert fixes.modules() == {"lppack_all_1"}
    assert fixes.converted("all") == 1, "what secretmem has converted is handed on"
    fixes.control.engine.convert("lppack_all_1", on=True)
    assert fixes.live() == set(FIRST)
    assert objects(fixes) == FIXED
    assert fixes.sh("/test/binfmt remove early") == "interpreter of a removed entry: opens"

    fixes.apply("all-2")
    assert fixes.modules() == {"lppack_all_2"}
    assert fixes.live() == set(SECOND)
    assert objects(fixes) == FIXED
    # Symbols of a module, in both versions: its slots are those of version 2.
    fixes.sh("/test/loop clear 7; rmmod loop && insmod /test/loop.ko && /test/loop make 7")
    assert objects(fixes) == FIXED

    fixes.undo_all()
    assert fixes.live() == set()
    assert objects(fixes) == DEFECT, "what three patches have changed is put back"
    assert fixes.sh("/test/binfmt remove late") == "interpreter of a removed entry: Text file busy"


def test_a_next_version_that_is_turned_round_leaves_the_first_whole(fixes: Fixes) -> None:
    """A thread sleeps in a function that both replace, and which uses symbols of its module."""
    fixes.sh("/test/reordering hold round -7")
    fixes.apply("all")
    fixes.sh("/test/held > /dev/null 2>&1 & echo $! > /tmp/held.pid")
    fixes.sh("until grep -q lp_lo_ioctl /proc/$(cat /tmp/held.pid)/stack; do sleep 0.1; done")
    hasty = Control(engine=fixes.control.engine, host=fixes.host, timeout=3.0)
    with pytest.raises(ApplyReversed, match="held"):
        apply(hasty, *fixes.made("all-2"))
    assert fixes.control.engine.state("lppack_all_1").phase is PatchPhase.PATCHED
    assert fixes.live() == set(FIRST)
    fixes.sh("kill -9 $(cat /tmp/held.pid)")
    assert fixes.sh("/test/loop try 7") == FIXED["device"]
    fixes.apply("all-2")
    fixes.undo_all()
    assert fixes.sh("/test/reordering held round").startswith("value -7")


def test_applied_and_reverted_under_its_programs(fixes: Fixes) -> None:
    run_rounds(fixes, 1)
