# SPDX-License-Identifier: MIT
"""The simulator against the real engines: the same stories, step by step."""

from collections.abc import Callable, Iterator

import pytest

from lppack.consistency import EngineName, ModeName
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from tests.conformance.memory import InMemory
from tests.conformance.real import Agreement, loaded, play_real
from tests.conformance.story import Record, Story, play, side_by_side
from tests.conformance.told import AT_THE_BORDER, BY_KERNEL, BY_THREAD, ON_ACCESS
from tests.kit.stories import (
    CONSISTENCY,
    FEW,
    HYBRID,
    KGRAFT,
    KPATCH,
    LIVEPATCH,
    SEEDS,
    made,
    stories,
)
from tests.loads.driver import Patch
from tests.loads.matrix import ENGINES
from tests.unit.checker.mutations import mutated

pytestmark = pytest.mark.guest


Patches = dict[tuple[EngineName, ModeName], Patch]


@pytest.fixture(scope="module")
def patches(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Patches:
    cases = [(LIVEPATCH, HYBRID), *((CONSISTENCY, mode) for mode in (HYBRID, KPATCH, KGRAFT))]
    folder = tmp_path_factory.mktemp("gates")
    return {case: made(kernel, *case, folder) for case in cases}


@pytest.fixture(scope="module")
def gates(guest: GuestHost, patches: Patches) -> Iterator[GuestHost]:
    with loaded(guest, patches[LIVEPATCH, HYBRID]):
        yield guest


@pytest.mark.parametrize(
    ("engine", "mode", "seeds"),
    [(LIVEPATCH, HYBRID, SEEDS), (CONSISTENCY, HYBRID, SEEDS), (CONSISTENCY, KPATCH, FEW)],
)
def test_the_simulator_agrees_with_the_engine(
    guest: GuestHost,
    gates: GuestHost,
    patches: Patches,
    engine: EngineName,
    mode: ModeName,
    seeds: range,
    record_property: Callable[[str, object], None],
) -> None:
    told = stories(gates, patches[engine, mode], engine, mode, seeds, record_property)
    assert spoilt(told, "skip-the-check"), "what the engine did would show a wrong rule"
    assert spoilt(told, "completes-early")


def check(
    gates: GuestHost, patches: Patches, engine: EngineName, told: tuple[Story, list[str]]
) -> Record:
    """What came of ``told``, which is what must come of it, in memory too."""
    story, wanted = told
    simulated = play(story, InMemory(story.mode))
    real = play_real(story, gates, ENGINES[engine](gates), patches[engine, story.mode], simulated)
    pair = ("simulated", simulated), (engine.value, real)
    assert real.lines == simulated.lines, side_by_side(story.title, *pair)
    assert real.lines[: len(wanted)] == wanted
    return real


@pytest.mark.shows("C6", "C9", "C20", "C29")
@pytest.mark.parametrize("engine", [LIVEPATCH, CONSISTENCY])
def test_others_become_new_while_one_that_is_inside_stays_old(
    guest: GuestHost, gates: GuestHost, patches: Patches, engine: EngineName
) -> None:
    check(gates, patches, engine, BY_THREAD)


@pytest.mark.shows("C2", "C7", "C9", "C27")
def test_the_kernel_switches_when_nobody_is_inside(
    guest: GuestHost, gates: GuestHost, patches: Patches
) -> None:
    check(gates, patches, CONSISTENCY, BY_KERNEL)


@pytest.mark.shows("C3", "C9")
def test_a_visit_to_the_kernel_has_one_universe(
    guest: GuestHost, gates: GuestHost, patches: Patches
) -> None:
    check(gates, patches, CONSISTENCY, AT_THE_BORDER)


@pytest.mark.shows("C21", "C22", "C23", "C24", "C26")
@pytest.mark.parametrize("engine", [LIVEPATCH, CONSISTENCY])
def test_what_is_used_is_converted_and_put_back(
    guest: GuestHost, gates: GuestHost, patches: Patches, engine: EngineName
) -> None:
    real = check(gates, patches, engine, ON_ACCESS)
    assert real.lines[-4:] == [
        "absent, 0 converted",
        "cell 0 old, used 3",
        "cell 1 old, used 0",
        "cell 2 old, used 0",
    ]


def spoilt(told: list[Agreement], fault: str) -> list[str]:
    """Where a simulator with a wrong rule differs from what the engine has done."""
    return [
        f"seed {agreement.story.seed}"
        for agreement in told
        if _simulated(agreement, fault).lines != agreement.real.lines
    ]


def _simulated(agreement: Agreement, fault: str) -> Record:
    return play(agreement.story, InMemory(agreement.story.mode, mutated(fault)))
