# SPDX-License-Identifier: MIT
"""tests/guest/test_crowd.py at length; by hand: invoke soak crowd."""

from lppack.stages.apply import Control
from tests.kit.crowd import WANTED, Crowd, crowd, made, run_rounds  # noqa: F401 (fixtures)

ROUNDS = 20


def test_twenty_rounds_under_load(control: Control, crowd: Crowd) -> None:  # noqa: F811
    counts = run_rounds(control, crowd, ROUNDS)
    assert min(counts[kind] for kind in ("converted", "born_new", "freed_new")) >= ROUNDS * WANTED
