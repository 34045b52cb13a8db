# SPDX-License-Identifier: MIT
"""Drawn stories, played on a guest and compared with the machine."""

from collections.abc import Callable
from pathlib import Path

from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from tests.conformance.draw import ends_badly, inside_at_apply
from tests.conformance.real import Agreement, both
from tests.kit.command import ROOT
from tests.loads.driver import Patch
from tests.loads.matrix import ENGINES, build_from

GATES = ROOT / "tests/loads/gates"
SEEDS = range(20)  # in mode hybrid, on both engines
FEW = range(4)  # in other modes
HYBRID, KPATCH, KGRAFT = ModeName.HYBRID, ModeName.KPATCH, ModeName.KGRAFT
LIVEPATCH, CONSISTENCY = EngineName.LIVEPATCH, EngineName.CONSISTENCY


def made(kernel: Kernel, engine: EngineName, mode: ModeName, folder: Path) -> Patch:
    return build_from(GATES, kernel, engine, mode_named(mode), folder / f"{engine}-{mode}")


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
