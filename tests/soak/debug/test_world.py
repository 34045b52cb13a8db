# SPDX-License-Identifier: MIT
"""TRANSFORM_WORLD under the checkers, with many instances."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.consistency import EngineName, ModeName
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control
from tests.kit.engines import controlled
from tests.kit.ledger import Ledger, build, round_trips

ACCOUNTS, ROUNDS = 20_000, 3
LIMIT = 10_000  # max_stop_ms


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


@pytest.mark.parametrize("mode", [ModeName.KPATCH, ModeName.REFCOUNT, ModeName.CHECKPOINT])
def test_there_and_back(
    control: Control, guest: GuestHost, kernel: Kernel, tmp_path: Path, mode: ModeName
) -> None:
    with Ledger(guest, *build(kernel, tmp_path, mode, limit=LIMIT)).loaded() as example:
        example.grow(ACCOUNTS)
        assert round_trips(control, example, ROUNDS) > 0
