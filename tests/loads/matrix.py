# SPDX-License-Identifier: MIT
"""The matrix: each engine in each of its modes, against each load, in one guest."""

import contextlib
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import pipeline
from lppack.consistency import MODES, EngineName, Leave, Mode, Switch, engines_of
from lppack.engines.consistency import Consistency
from lppack.engines.livepatch import Livepatch
from lppack.engines.protocol import Engine
from lppack.errors import LppackError
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.protocol import Host
from lppack.kernel.config import read_config
from lppack.model import Kernel
from lppack.stages.apply import Control
from lppack.stages.bundle import extract
from lppack.stages.test import load_targets
from tests.kit.debug_checks import BOOT, MEMORY, WORDS, complaints
from tests.loads.driver import LOADS, Load, Patch, Row, Victim, measure
from tests.loads.verdict import blind, faults, table

VICTIM = Path(__file__).parent / "victim"
ENGINES: dict[EngineName, Callable[[Host], Engine]] = {
    EngineName.LIVEPATCH: Livepatch,
    EngineName.CONSISTENCY: Consistency,
}
#: Seconds for one answer of the guest. With threads that only spin, a write to "enabled" of the
#: kernel's own livepatch takes more than a minute on Debian 13's 6.12.
ANSWER = 300.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the guest is started, and what is asked of it at the end."""

    words: tuple[str, ...] = ()  # for its kernel
    memory_mb: int = 512
    limit: float = 120.0  # seconds in which it is up
    faults: Callable[[GuestHost], tuple[str, ...]] = GuestHost.faults


PLAIN = Setup()
DEBUG = Setup(words=WORDS, memory_mb=MEMORY, limit=BOOT, faults=complaints)


def run(
    kernel: Kernel,
    *,
    flips: int,
    loads: Sequence[str],
    modes: Sequence[str],
    engines: Sequence[EngineName] = tuple(ENGINES),
    setup: Setup = PLAIN,
    say: Callable[[str], None],
) -> tuple[list[Row], list[str]]:
    """Boots a guest and measures: the rows, and what is wrong with them or with the console.

    A cell that breaks off is a row that says so, and the next one has a new guest. If anything is
    wrong, the guests' consoles stay, and ``say`` tells where.
    """
    rows: list[Row] = []
    found: list[str] = []
    guests = Path(tempfile.mkdtemp(prefix="lppack-matrix-"))
    clean = False
    try:
        with tempfile.TemporaryDirectory(prefix="lppack-") as name:
            built = [
                (engine, mode, build(patch, kernel, engine, mode, Path(name)))
                for engine, mode in cells()
                if mode.name in modes and engine in engines
                for patch in patches_for(mode)
            ]
            initramfs = pipeline.initramfs_for(kernel, "docker")
            todo = deque((*cell, LOADS[load]) for cell in built for load in loads)
            while todo:
                with boot(
                    kernel,
                    work=guests / str(len(rows)),
                    initramfs=initramfs,
                    cmdline=setup.words,
                    memory_mb=setup.memory_mb,
                    limit=setup.limit,
                ) as host:
                    host.limit = ANSWER
                    for row in _measured(host, todo, flips):
                        rows.append(row)
                        say(table([row]).splitlines()[-1])
                    found += setup.faults(host)
        for row in rows:
            cell = f"{row.engine} {row.mode} {row.load} {row.patch}"
            found += [f"{cell}: {fault}" for fault in faults(row, MODES_BY_NAME[row.mode])]
        found += blind(rows, MODES_BY_NAME)
        clean = not found
    finally:
        if clean:
            shutil.rmtree(guests)
        else:
            say(f"the guests' consoles: {guests}")
    return rows, found


def _measured(
    host: GuestHost, todo: deque[tuple[EngineName, Mode, Patch, Load]], flips: int
) -> Iterator[Row]:
    """Rows of what is taken off ``todo``: of all, or up to one that breaks off."""
    row = None
    try:
        with loaded(host, todo[0][2]) as victim:
            while todo:
                engine, mode, patch, load = todo.popleft()
                row = Row(engine=engine, mode=mode.name, load=load.name, patch=patch.name)
                control = Control(engine=ENGINES[engine](host), host=host, timeout=60.0)
                yield measure(control, victim, patch, mode.name, load, flips=flips)
    except (AssertionError, LppackError) as error:
        if row is None:
            raise  # the victim cannot even be loaded
        row.broke = str(error)
        yield row
