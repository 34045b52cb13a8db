# SPDX-License-Identifier: MIT
"""The loads of tests/loads in the shared guest: what each mode forbids is not seen, and what it
allows is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control
from tests.loads.driver import LOADS, Patch, Victim, measure
from tests.loads.matrix import build, loaded
from tests.loads.verdict import faults

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]

HYBRID = mode_named(ModeName.HYBRID)
FLIPS = 2


@pytest.fixture(scope="module")
def forms(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Patch:
    folder = tmp_path_factory.mktemp("forms")
    return build("forms", kernel, EngineName.LIVEPATCH, HYBRID, folder)


@pytest.fixture(scope="module")
def victim(guest: GuestHost, forms: Patch) -> Iterator[Victim]:
    with loaded(guest, forms) as made:
        yield made


@pytest.mark.parametrize("load", LOADS)
def test_livepatch_keeps_visits_whole(
    control: Control, victim: Victim, forms: Patch, load: str
) -> None:
    row = measure(control, victim, forms, HYBRID.name, LOADS[load], flips=FLIPS)
    assert list(faults(row, HYBRID)) == []
    assert row.visits > 0


def test_the_loads_see_old_code_meet_new_data(
    control: Control, victim: Victim, kernel: Kernel, tmp_path: Path
) -> None:
    """The control: the same with a patch that writes the new form at once, which SWITCH_THREAD
    does not forbid."""
    naive = build("visits", kernel, EngineName.LIVEPATCH, HYBRID, tmp_path)
    row = measure(control, victim, naive, HYBRID.name, LOADS["loop"], flips=4)
    assert list(faults(row, HYBRID)) == []
    assert row.wrong > 0
    assert row.together > 0
