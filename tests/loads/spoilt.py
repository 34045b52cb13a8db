# SPDX-License-Identifier: MIT
"""The engine as no bundle has it: steps can be left out, and threads dwell where a test wants
them (kmod/engine/faults.h)."""

import contextlib
import shutil
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from lppack import abi
from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.engines import modules
from lppack.engines.consistency import Consistency
from lppack.hosts.guest import GuestHost
from lppack.hosts.protocol import Host
from lppack.model import Kernel
from lppack.resources import kmod_dir
from lppack.stages.apply import Control

_KO = "/tmp/spoilt.ko"


class Fault(IntEnum):
    """enum lpe_fault."""

    NONE = 0
    NO_STACK_CHECK = 1
    NO_BORDER_CHECK = 2
    NO_UNDO = 3
    NO_REVERSE = 4
    NO_GATE_CHECK = 5
    NO_WORK_CHECK = 6
    NO_CALL_CHECK = 7
    NO_MEMORY = 8
    NO_END_CHECK = 9
    RUDE_ONLY = 10
    NO_LAST_CHECK = 11
    NO_OWN_SET_CHECK = 12
    NO_BUDGET = 13


class Point(IntEnum):
    """enum lpe_point."""

    NOWHERE = 0
    IN_CALL = 1
    BEFORE_ENTRY = 2
    AT_ENTRY = 3
    IN_WORK = 4
    AT_FLIP = 5
    AT_END = 6


def make(kernel: Kernel, folder: Path, *edits: tuple[str, str, str]) -> Path:
    """The module, built in ``folder``; ``edits`` are a file, what stands in it, and what does then
    instead."""
    shutil.copytree(kmod_dir() / "engine", folder / "m")
    for name, old, new in edits:
        source = folder / "m" / name
        assert source.read_text().count(old) == 1, f"{old!r} is not in {name} once"
        source.write_text(source.read_text().replace(old, new))
    with ContainerBuilder().open(folder, kernel) as site:
        done = site.run([*kbuild_argv(site, kernel, "m"), "LPE_TEST=y", "modules"], limit=300.0)
    assert done.ok, done.summary(tail=30)
    return folder / f"m/{abi.ENGINE}.ko"


class Spoilt(Consistency):
    """Stays when its patches go, so that it can be asked."""

    def __init__(self, host: Host, words: tuple[str, ...]) -> None:
        super().__init__(host)
        self.words = words

    def load(self, module: str, ko: Path) -> None:
        if not modules.is_loaded(self.host, abi.ENGINE):
            ran = self.host.run(["insmod", _KO, *self.words], limit=30.0)
            assert ran.rc == 0, ran.err
        super().load(module, ko)

    def _drop_engine(self) -> None:
        pass

    def dwelt(self) -> int:
        """How often somebody dwelt at the point."""
        return int(modules.parameter(self.host, abi.ENGINE, "dwelt") or 0)


@contextlib.contextmanager
def spoilt(
    host: GuestHost,
    ko: Path,
    *,
    fault: Fault = Fault.NONE,
    point: int = Point.NOWHERE,
    dwell_us: int = 3000,
) -> Iterator[tuple[Control, Spoilt]]:
    """Drives that engine; unloaded at the end."""
    host.put(ko, _KO)
    engine = Spoilt(host, (f"fault={fault}", f"point={point}", f"dwell_us={dwell_us}"))
    yield Control(engine=engine, host=host, timeout=60.0), engine
    if modules.is_loaded(host, abi.ENGINE):
        modules.remove(host, abi.ENGINE)
