# SPDX-License-Identifier: MIT
"""TRANSFORM_WORLD under the checkers: there and back, a visit that fails half-way, and what comes
after prepare."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.consistency import EngineName, ModeName
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control
from tests.guest.ledger import Ledger, build, round_trips
from tests.guest.test_contract import controlled
from tests.guest.test_world import (
    LIMIT,
    ledger,
    switched,
    test_a_target_that_goes_and_comes_while_it_is_patched,
    test_a_transform_that_fails_half_way_leaves_nothing_changed,
    test_instances_that_come_after_prepare_are_prepared_for,
)

__all__ = [
    "ledger",
    "switched",
    "test_a_target_that_goes_and_comes_while_it_is_patched",
    "test_a_transform_that_fails_half_way_leaves_nothing_changed",
    "test_instances_that_come_after_prepare_are_prepared_for",
]

ACCOUNTS, ROUNDS = 20_000, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


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
