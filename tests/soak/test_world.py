# SPDX-License-Identifier: MIT
"""TRANSFORM_WORLD with 100,000 instances, there and back 50 times under load: invoke soak world."""

import sys
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.consistency import EngineName, ModeName
from lppack.engines.kernel import KernelEngines
from lppack.hosts.guest import boot
from lppack.packages.kernels import resolve
from lppack.stages.apply import Control
from tests.guest.conftest import PATTERNS
from tests.guest.ledger import Ledger, build, round_trips
from tests.guest.test_examples import TRIXIE
from tests.guest.test_world import LIMIT

ACCOUNTS, ROUNDS = 100_000, 50


@pytest.mark.guest
@pytest.mark.parametrize("pattern", [PATTERNS[0], TRIXIE])
@pytest.mark.parametrize(
    ("mode", "rounds"),
    [(ModeName.KPATCH, ROUNDS), (ModeName.REFCOUNT, 5), (ModeName.CHECKPOINT, 5)],
)
def test_a_hundred_thousand(pattern: str, mode: ModeName, rounds: int, tmp_path: Path) -> None:
    kernel = resolve(None, (pattern,))
    bundle, files = build(kernel, tmp_path / "patch", mode)
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=tmp_path / "g", initramfs=initramfs) as guest:
        control = Control(
            engine=KernelEngines(guest, EngineName.CONSISTENCY), host=guest, timeout=120.0
        )
        with Ledger(guest, bundle, files).loaded() as ledger:
            ledger.grow(ACCOUNTS)
            longest = round_trips(control, ledger, rounds)
        assert guest.faults() == ()
    print(f"{kernel.release} {mode}: {longest:.1f} ms", file=sys.stderr)  # noqa: T201
    assert 0 < longest <= LIMIT
