# SPDX-License-Identifier: MIT
"""The loads of tests/loads against lppack's own engine, and what is seen where it leaves out a
step."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import abi
from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.engines.consistency import Consistency
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.resources import kmod_dir
from lppack.stages.apply import Control
from tests.guest.test_contract import controlled
from tests.loads.driver import LOADS, Patch, Victim, measure
from tests.loads.matrix import build, loaded
from tests.loads.verdict import faults

pytestmark = pytest.mark.guest

FLIPS = 2
#: enum lpe_fault of kmod/engine/faults.h.
NO_STACK_CHECK, NO_BORDER_CHECK = 1, 2
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


@pytest.mark.parametrize("load", ["loop", "io_uring"])
def test_a_mode_keeps_what_it_promises(
    control: Control, victim: Victim, patch: tuple[ModeName, Patch], load: str
) -> None:
    mode, built = patch
    row = measure(control, victim, built, mode, LOADS[load], flips=FLIPS)
    assert list(faults(row, mode_named(mode))) == []
    assert row.visits > 0
    assert (row.mixed > 0) is (mode is ModeName.NULL_MODEL), "what is allowed is seen"


@pytest.fixture(scope="module")
def spoilt(kernel: Kernel, folder: Path) -> Path:
    """The engine with its test switch, as no bundle has it."""
    shutil.copytree(kmod_dir() / "engine", folder / "spoilt/m")
    with ContainerBuilder().open(folder / "spoilt", kernel) as site:
        done = site.run([*kbuild_argv(site, kernel, "m"), "LPE_TEST=y", "modules"], limit=300.0)
    assert done.ok, done.summary(tail=30)
    return folder / f"spoilt/m/{abi.ENGINE}.ko"


@pytest.mark.parametrize(
    ("mode", "name", "fault", "load", "seen"),
    [
        (ModeName.KPATCH, "visits", NO_STACK_CHECK, "loop", "visits saw both universes"),
        (ModeName.REFCOUNT, "visits", NO_STACK_CHECK, "loop", "visits saw both universes"),
        (ModeName.HYBRID, "forms", NO_STACK_CHECK, "loop", "visits saw both universes"),
        (ModeName.KGRAFT, "forms", NO_BORDER_CHECK, "sleep", "calls saw both universes"),
    ],
)
def test_a_step_that_is_left_out_is_seen(
    control: Control,
    guest: GuestHost,
    victim: Victim,
    kernel: Kernel,
    spoilt: Path,
    tmp_path: Path,
    mode: ModeName,
    name: str,
    fault: int,
    load: str,
    seen: str,
) -> None:
    guest.put(spoilt, "/tmp/spoilt.ko")
    words = ["insmod", "/tmp/spoilt.ko", f"fault={fault}"]
    built = made(kernel, mode, name, tmp_path)
    kept = Keeping(guest, words)
    row = measure(
        Control(engine=kept, host=guest, timeout=60.0), victim, built, mode, LOADS[load], flips=2
    )
    assert [text for text in faults(row, mode_named(mode)) if seen in text]


class Keeping(Consistency):
    """Loads the spoilt engine instead of that of the bundle."""

    def __init__(self, host: GuestHost, words: list[str]) -> None:
        super().__init__(host)
        self.words = words

    def load(self, module: str, ko: Path) -> None:
        assert self.host.run(self.words, limit=30.0).rc == 0
        super().load(module, ko)
