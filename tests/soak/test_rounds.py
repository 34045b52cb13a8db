# SPDX-License-Identifier: MIT
"""The guest tests' stories with big numbers; by hand: invoke soak rounds."""

from lppack.stages.apply import Control
from tests.guest.rounds import run_rounds
from tests.guest.target import Target


def test_fifty_rounds_under_load(control: Control, target: Target) -> None:
    assert run_rounds(control, target, 50) > 50
