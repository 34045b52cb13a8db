# SPDX-License-Identifier: MIT
"""Killed before and after each step of apply, convert and revert, on both engines."""

from pathlib import Path

import pytest

from tests.kit.fault_points import COMMANDS, ENGINES, Operator, built, check, started

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_each_step(engine: str, tmp_path: Path) -> None:
    with started():
        operator = Operator(built(engine, tmp_path), engine)
        for command in COMMANDS:
            for row in operator.walk(command, after=True):
                check(row)
