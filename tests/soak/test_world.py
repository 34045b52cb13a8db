# SPDX-License-Identifier: MIT
"""TRANSFORM_WORLD with 100,000 instances, there and back 50 times under load: invoke soak world."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lppack import pipeline
from lppack.consistency import EngineName, ModeName
from lppack.debian.kernels import resolve
from lppack.engines.kernel import KernelEngines
from lppack.errors import ApplyReversed
from lppack.hosts.guest import boot
from lppack.stages.apply import Control, apply
from tests.kit.guest import PATTERNS, TRIXIE
from tests.kit.ledger import END_OF_SCALE, LIMIT, Ledger, Wrong, build, round_trips

ACCOUNTS, ROUNDS = 100_000, 50
Scene = tuple[Control, Ledger]


pytestmark = pytest.mark.guest
KERNELS = pytest.mark.parametrize("pattern", [PATTERNS[0], TRIXIE])


@contextlib.contextmanager
def ledger_on(pattern: str, mode: ModeName, folder: Path, **how: Any) -> Iterator[Scene]:
    """A guest of its own, with a hundred thousand accounts."""
    kernel = resolve(None, (pattern,))
    bundle, files = build(kernel, folder / "patch", mode, **how)
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=folder / "g", initramfs=initramfs) as guest:
        engine = KernelEngines(guest, EngineName.CONSISTENCY)
        with Ledger(guest, bundle, files).loaded() as ledger:
            ledger.grow(ACCOUNTS)
            yield Control(engine=engine, host=guest, timeout=120.0), ledger
        assert guest.faults() == ()


@KERNELS
@pytest.mark.parametrize(
    ("mode", "rounds"),
    [(ModeName.KPATCH, ROUNDS), (ModeName.REFCOUNT, 5), (ModeName.CHECKPOINT, 5)],
)
def test_a_hundred_thousand(pattern: str, mode: ModeName, rounds: int, tmp_path: Path) -> None:
    with ledger_on(pattern, mode, tmp_path, limit=LIMIT) as (control, ledger):
        longest = round_trips(control, ledger, rounds)
    print(f"{pattern} {mode}: {longest:.1f} ms", file=sys.stderr)  # noqa: T201
    assert 0 < longest <= LIMIT


@KERNELS
def test_one_of_them_fails_near_the_end(pattern: str, tmp_path: Path) -> None:
    with ledger_on(pattern, ModeName.KPATCH, tmp_path, switch=True, limit=LIMIT) as scene:
        control, ledger = scene
        ledger.wrong(Wrong.CHECK)
        ledger.tell(f"set {ACCOUNTS - 1} {END_OF_SCALE}")
        before = ledger.shown()
        with ledger.movers(), pytest.raises(ApplyReversed, match="forward refused an instance"):
            apply(control, ledger.bundle, ledger.ko)
        assert ledger.shown() == before
