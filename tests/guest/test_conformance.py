# SPDX-License-Identifier: MIT
"""The simulator against the real engines: the same stories, step by step."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack.abi import Phase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import settle, unload
from tests.conformance.draw import ends_badly, inside_at_apply
from tests.conformance.memory import InMemory
from tests.conformance.real import Agreement, InGuest, both, loaded
from tests.conformance.story import Record, Step, play
from tests.loads.driver import Patch
from tests.loads.matrix import ENGINES, build_from
from tests.unit.simulator.mutations import mutated

pytestmark = pytest.mark.guest

GATES = Path(__file__).parent.parent / "loads/gates"
SEEDS = range(20)  # in mode hybrid, on both engines
FEW = range(4)  # in other modes
HYBRID, KPATCH = ModeName.HYBRID, ModeName.KPATCH
LIVEPATCH, CONSISTENCY = EngineName.LIVEPATCH, EngineName.CONSISTENCY


def made(kernel: Kernel, engine: EngineName, mode: ModeName, folder: Path) -> Patch:
    return build_from(GATES, kernel, engine, mode_named(mode), folder / f"{engine}-{mode}")


@pytest.fixture(scope="module")
def patches(
    kernel: Kernel, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[EngineName, ModeName], Patch]:
    cases = ((LIVEPATCH, HYBRID), (CONSISTENCY, HYBRID), (CONSISTENCY, KPATCH))
    folder = tmp_path_factory.mktemp("gates")
    return {case: made(kernel, *case, folder) for case in cases}


@pytest.fixture(scope="module")
def gates(
    guest: GuestHost, patches: dict[tuple[EngineName, ModeName], Patch]
) -> Iterator[GuestHost]:
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
    patches: dict[tuple[EngineName, ModeName], Patch],
    engine: EngineName,
    mode: ModeName,
    seeds: range,
    record_property: Callable[[str, object], None],
) -> None:
    told = stories(gates, patches[engine, mode], engine, mode, seeds, record_property)
    assert spoilt(told, "skip-the-check"), "what the engine did would show a wrong rule"
    assert spoilt(told, "completes-early")


def spoilt(told: list[Agreement], fault: str) -> list[str]:
    """Where a simulator with a wrong rule differs from what the engine has done."""
    return [
        f"seed {agreement.story.seed}"
        for agreement in told
        if _simulated(agreement, fault).lines != agreement.real.lines
    ]


def _simulated(agreement: Agreement, fault: str) -> Record:
    return play(agreement.story, InMemory(agreement.story.mode, mutated(fault)))


@pytest.mark.parametrize("mode", [HYBRID, KPATCH])
def test_who_turns_round_when_all_have_just_left_is_heard(
    guest: GuestHost,
    gates: GuestHost,
    patches: dict[tuple[EngineName, ModeName], Patch],
    mode: ModeName,
) -> None:
    world = InGuest(gates, ENGINES[CONSISTENCY](gates), patches[CONSISTENCY, mode])
    c, module = world.control, world.bundle.module
    for _ in range(3):
        world.lead(Step("T3", "call", "f"))
        c.engine.load(module, world.ko)
        world.lead(Step("T3", "return"))
        c.engine.reverse(module)
        assert settle(c, module, Phase.UNPATCHED, 60.0)[0].phase is Phase.UNPATCHED
        assert unload(c, module)
    world.clean()
