# SPDX-License-Identifier: MIT
"""Fixtures: a patch of each mode, on a victim under load."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control
from tests.kit.engines import controlled
from tests.loads.driver import Patch, Victim
from tests.loads.matrix import build, loaded

CASES = (
    (ModeName.NULL_MODEL, "visits"),
    (ModeName.HYBRID, "forms"),
    (ModeName.KPATCH, "visits"),
    (ModeName.REFCOUNT, "visits"),
    (ModeName.KGRAFT, "forms"),
    (ModeName.CHECKPOINT, "visits"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loads")


def made(kernel: Kernel, mode: ModeName, name: str, folder: Path) -> Patch:
    return build(name, kernel, EngineName.CONSISTENCY, mode_named(mode), folder)


@pytest.fixture(scope="module")
def victim(guest: GuestHost, kernel: Kernel, folder: Path) -> Iterator[Victim]:
    with loaded(guest, made(kernel, ModeName.KPATCH, "visits", folder / "first")) as victim:
        yield victim


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0].value)
def patch(request: pytest.FixtureRequest, kernel: Kernel, folder: Path) -> tuple[ModeName, Patch]:
    mode, name = request.param
    return mode, made(kernel, mode, name, folder / mode)
