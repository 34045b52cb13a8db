# SPDX-License-Identifier: MIT
"""The guest tests' stories with big numbers; by hand: invoke soak rounds."""

import pytest

from lppack.stages.apply import Control
from tests.kit.rounds import run_rounds
from tests.kit.target import Target


@pytest.mark.debug_kernel
def test_many_rounds_under_load(control: Control, target: Target, checked: bool) -> None:
    rounds = 10 if checked else 50
    assert run_rounds(control, target, rounds) > rounds
