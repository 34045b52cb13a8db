# SPDX-License-Identifier: MIT
"""The simulator against the real engines: the same stories, step by step."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from tests.conformance.draw import ends_badly, inside_at_apply
from tests.conformance.memory import InMemory
from tests.conformance.real import Agreement, both, loaded, play_real
from tests.conformance.story import Record, Story, play, side_by_side
from tests.conformance.told import AT_THE_BORDER, BY_KERNEL, BY_THREAD, ON_ACCESS
from tests.loads.driver import Patch
from tests.loads.matrix import ENGINES, build_from
from tests.unit.checker.mutations import mutated

pytestmark = pytest.mark.guest

GATES = Path(__file__).parent.parent / "loads/gates"
SEEDS = range(20)  # in mode hybrid, on both engines
FEW = range(4)  # in other modes
HYBRID, KPATCH, KGRAFT = ModeName.HYBRID, ModeName.KPATCH, ModeName.KGRAFT
LIVEPATCH, CONSISTENCY = EngineName.LIVEPATCH, EngineName.CONSISTENCY


Patches = dict[tuple[EngineName, ModeName], Patch]


def made(kernel: Kernel, engine: EngineName, mode: ModeName, folder: Path) -> Patch:
    return build_from(GATES, kernel, engine, mode_named(mode), folder / f"{engine}-{mode}")


@pytest.fixture(scope="module")
def patches(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Patches:
    cases = [(LIVEPATCH, HYBRID), *((CONSISTENCY, mode) for mode in (HYBRID, KPATCH, KGRAFT))]
    folder = tmp_path_factory.mktemp("gates")
    return {case: made(kernel, *case, folder) for case in cases}


@pytest.fixture(scope="module")
def gates(guest: GuestHost, patches: Patches) -> Iterator[GuestHost]:
    with loaded(guest, patches[LIVEPATCH, HYBRID]):
        yield guest


def stories(
    gates: GuestHost,
    patch: Patch,
    engine: EngineName,
    mode: ModeName,
    seeds: range,
    tell: Callable[[str, object], None],
) -> list[Agreement]:
    """Played on a real engine. Fails, with both logs side by side, where the simulator differs."""
    told = [both(seed, mode, gates, ENGINES[engine](gates), patch) for seed in seeds]
    differences = [agreement.difference for agreement in told if agreement.difference]
    kinds = f"{sum(inside_at_apply(a.story) for a in told)} with a thread inside at apply, "
    kinds += f"{sum(ends_badly(a.real) for a in told)} with a time-out or refusal at the end"
    asked = f"{engine} {mode}, stories of seeds {seeds.start} to {seeds.stop - 1}"
    tell("told", f"{asked} ({kinds}): {len(differences)} differ from the simulator's")
    assert not differences, "\n\n".join(differences)
    return told


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
