# SPDX-License-Identifier: MIT
"""The matrix: each engine in each of its modes, against each load, in one guest."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lppack import pipeline
from lppack.consistency import MODES, EngineName, Leave, Mode, Switch, engines_of
from lppack.engines.consistency import Consistency
from lppack.engines.livepatch import Livepatch
from lppack.engines.protocol import Engine
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.protocol import Host
from lppack.kernel.config import read_config
from lppack.model import Kernel
from lppack.stages.apply import Control
from lppack.stages.bundle import extract
from lppack.stages.test import load_targets
from tests.loads.driver import LOADS, Patch, Row, Victim, measure
from tests.loads.verdict import blind, faults, table

VICTIM = Path(__file__).parent / "victim"
ENGINES: dict[EngineName, Callable[[Host], Engine]] = {
    EngineName.LIVEPATCH: Livepatch,
    EngineName.CONSISTENCY: Consistency,
}
MODES_BY_NAME = {mode.name.value: mode for mode in MODES}


def cells() -> Iterator[tuple[EngineName, Mode]]:
    """What can be measured: each engine of this lppack in each mode that it provides."""
    for mode in MODES:
        for engine in engines_of(mode):
            if engine in ENGINES:
                yield engine, mode


def patches_for(mode: Mode) -> tuple[str, ...]:
    """``visits`` asks the most of a mode that switches the kernel; null-model bears no other."""
    if mode.leave is Leave.LEAVE_FUNCTION:
        return ("visits",)
    return ("visits", "forms") if mode.switch is Switch.SWITCH_KERNEL else ("forms",)


def build(name: str, kernel: Kernel, engine: EngineName, mode: Mode, folder: Path) -> Patch:
    """A patch of the victim for one engine and mode, with its programs."""
    place = folder / f"{name}-{engine}-{mode.name}"
    return build_from(VICTIM / f"{name}.yaml", kernel, engine, mode, place)


def build_from(
    manifest: Path, kernel: Kernel, engine: EngineName, mode: Mode, place: Path
) -> Patch:
    plan = pipeline.make_plan(
        manifest, kernel=kernel_word(kernel), engine=engine.value, mode=mode.name
    )
    made = pipeline.make_bundle(plan, place, builder="docker", on_line=lambda _line: None)
    extract(made.path, place / "files")
    return Patch(bundle=made.bundle, ko=place / "files" / f"{made.bundle.module}.ko")


def kernel_word(kernel: Kernel) -> str:
    """What --kernel takes for a kernel that may be in no package."""
    return str(kernel.root)


@contextlib.contextmanager
def loaded(host: GuestHost, patch: Patch) -> Iterator[Victim]:
    """The victim and its programs in the guest; unloaded at the end."""
    load_targets(host, patch.bundle, patch.ko.parent)
    yield Victim(host)
    ran = host.run(["rmmod", "victim"], limit=60.0)
    assert ran.rc == 0, ran.err


def loads_of(kernel: Kernel) -> tuple[str, ...]:
    """Without BTF there is no fentry."""
    btf = read_config(kernel.config).is_on("DEBUG_INFO_BTF")
    return tuple(name for name, load in LOADS.items() if btf or not load.fentry)


def run(
    kernel: Kernel,
    *,
    flips: int,
    loads: Sequence[str],
    modes: Sequence[str],
    words: Sequence[str] = (),
    memory_mb: int = 512,
    say: Callable[[str], None],
) -> tuple[list[Row], list[str]]:
    """Boots a guest and measures: the rows, and what is wrong with them or with the console."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lppack-") as name:
        folder = Path(name)
        built = [
            (engine, mode, build(patch, kernel, engine, mode, folder))
            for engine, mode in cells()
            if mode.name in modes
            for patch in patches_for(mode)
        ]
        initramfs = pipeline.initramfs_for(kernel, "docker")
        with (
            boot(
                kernel,
                work=folder / "g",
                initramfs=initramfs,
                cmdline=words,
                memory_mb=memory_mb,
            ) as host,
            loaded(host, built[0][2]) as victim,
        ):
            for engine, mode, patch in built:
                control = Control(engine=ENGINES[engine](host), host=host, timeout=60.0)
                for load in loads:
                    row = measure(control, victim, patch, mode.name, LOADS[load], flips=flips)
                    rows.append(row)
                    say(table([row]).splitlines()[-1])
            found = list(host.faults())
    for row in rows:
        cell = f"{row.engine} {row.mode} {row.load} {row.patch}"
        found += [f"{cell}: {fault}" for fault in faults(row, MODES_BY_NAME[row.mode])]
    return rows, [*found, *blind(rows, MODES_BY_NAME)]
