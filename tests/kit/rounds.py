# SPDX-License-Identifier: MIT
"""Rounds of apply, convert and revert while the data is in use."""

from lppack.stages.apply import Control, apply
from lppack.stages.revert import revert
from tests.kit.target import NEW, Target

_LOOPS = 6
# Each loop opens, uses and closes connections of its own, and uses one that all share.
_LOOP = (
    "while [ -e /tmp/go ]; do "
    "echo open x{n} > /proc/conn; echo syn x{n} > /proc/conn; echo syn web > /proc/conn; "
    "echo ack web > /proc/conn; echo close x{n} > /proc/conn; cat /proc/conn_limit; "
    "done > /dev/null 2>&1 & "
)


def run_rounds(control: Control, target: Target, rounds: int) -> int:
    """The number of conversions seen; asserts that no object is ever left in the wrong form."""
    seen = 0
    target.sh("touch /tmp/go; " + "".join(_LOOP.format(n=n) for n in range(_LOOPS)))
    try:
        for _ in range(rounds):
            apply(control, target.bundle, target.ko)
            target.sh("sleep 0.5")
            seen += int(target.parameter("converted"))
            revert(control, "conn-limit")
            assert not [name for name, word in target.words().items() if word & NEW]
    finally:
        target.sh("rm -f /tmp/go; sleep 1")
    assert target.words()["web"] < 2 * _LOOPS, "what was added was taken away"
    return seen
