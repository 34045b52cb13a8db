# SPDX-License-Identifier: MIT
"""A roll-out to six Debian guests of two kernels, in waves of 1, 2 and 3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import waves
from tests.kit.fleet import collections
from tests.kit.guest_fleet import GuestFleet, guest_fleet

__all__ = ["collections"]  # a fixture

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def fleet(collections: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestFleet]:  # noqa: F811
    with guest_fleet(6, tmp_path_factory.mktemp("g"), collections) as made:
        yield made


def test_there_in_waves_nothing_to_do_and_back(fleet: GuestFleet) -> None:
    waves.there_and_back(fleet, [1, 2, 3])


def test_a_host_that_stalls_is_reversed_and_its_wave_is_reverted(fleet: GuestFleet) -> None:
    waves.a_host_stalls(fleet, [1, 2, 3], "g2")


def test_a_host_that_dies_in_mid_apply_stops_the_roll_out(fleet: GuestFleet) -> None:
    waves.a_host_is_killed(fleet, [1, 2, 3], "g2")


def test_the_same_with_force_handlers(fleet: GuestFleet) -> None:
    """With the five that are left."""
    waves.a_host_is_killed(fleet, [1, 2, 2], "g3", forced=True)
