# SPDX-License-Identifier: MIT
"""The stories of the guest tests, two hundred of them in each mode; by hand: invoke soak
conformance."""

import random
from collections.abc import Callable

import pytest

from lppack.consistency import EngineName, ModeName
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from tests.conformance.real import loaded
from tests.kit.stories import CONSISTENCY, HYBRID, LIVEPATCH, made, stories

STORIES = 200
CASES = [
    (LIVEPATCH, HYBRID),
    (CONSISTENCY, HYBRID),
    (CONSISTENCY, ModeName.KPATCH),
    (CONSISTENCY, ModeName.KGRAFT),
    (CONSISTENCY, ModeName.CHECKPOINT),
]


@pytest.mark.parametrize(("engine", "mode"), CASES)
def test_two_hundred_stories(
    guest: GuestHost,
    kernel: Kernel,
    tmp_path_factory: pytest.TempPathFactory,
    engine: EngineName,
    mode: ModeName,
    record_property: Callable[[str, object], None],
) -> None:
    patch = made(kernel, engine, mode, tmp_path_factory.mktemp("gates"))
    first = random.randrange(1_000_000)
    with loaded(guest, patch):
        stories(guest, patch, engine, mode, range(first, first + STORIES), record_property)
