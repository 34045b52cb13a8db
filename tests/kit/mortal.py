# SPDX-License-Identifier: MIT
"""A host on which lppack dies at a chosen step."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.kernel import KernelEngines
from lppack.hosts.lock import HostLock
from lppack.hosts.protocol import Ran
from lppack.stages.apply import Control, apply
from lppack.stages.changing import changing
from lppack.stages.convert import convert
from lppack.stages.faults import Fault, no_fault
from lppack.stages.host_status import HostStatus, host_status
from lppack.stages.journal import Journal, JournalRecord
from lppack.stages.recover import recover
from lppack.stages.revert import revert
from tests.kit.control import KO, MODULE, control
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle


class Died(BaseException):
    """As SIGKILL: nothing of the command runs after it."""


class Mortal(FakeHost):
    """Once it is dead no request of that command gets through, of its cleaning up either."""

    dead = False

    def _look(self) -> None:
        if self.dead:
            raise Died

    def read(self, path: str) -> str:
        self._look()
        return super().read(path)

    def write(self, path: str, text: str) -> None:
        self._look()
        super().write(path, text)

    def list(self, path: str) -> tuple[str, ...]:
        self._look()
        return super().list(path)

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        self._look()
        super().put(source, path, mode=mode)

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        self._look()
        return super().run(argv, limit=limit)


def mortal(tmp_path: Path) -> Mortal:
    host = Mortal(FakeKernel())
    host.kernel.engine_api = None
    host.lock = HostLock(tmp_path / "lock", host.name)
    return host


def both(host: FakeHost, engine: EngineName) -> Control:
    return replace(control(host), engine=KernelEngines(host, engine))


def run(host: FakeHost, engine: EngineName, command: str, fault: Fault = no_fault) -> None:
    made = replace(bundle(), engine=engine)
    intent: dict[str, Any] = {"series": made.series}
    mode = "hybrid" if engine is EngineName.LIVEPATCH else "kgraft"
    host.modules[MODULE] = Patch(info=info(engine=engine.value, mode=mode))
    if command == "apply":
        intent |= {"module": MODULE, "version": made.version, "converts": True}
    elif command == "convert":
        intent["converts"] = True
    with changing(both(host, engine), command, intent, fault=fault) as alone:
        if command == "apply":
            apply(alone, made, KO)
        elif command == "apply --phase patch":
            apply(alone, made, KO, convert=False)
        else:
            {"convert": convert, "revert": revert}[command](alone, made.series)


def look(host: FakeHost, engine: EngineName) -> HostStatus:
    return host_status(both(host, engine).engine, host)


def recovered(host: FakeHost, engine: EngineName) -> None:
    with changing(both(host, engine), "recover", {}) as alone:
        recover(alone)


def history(host: FakeHost) -> tuple[JournalRecord, ...]:
    return Journal(host).history(100)


def rest(host: Mortal, engine: EngineName) -> str:
    """Check that nothing is left undone; return where the patch is."""
    found = look(host, engine)
    assert (found.unfinished, found.leftovers, found.next) == ((), (), None)
    if not found.patches:
        assert host.kernel.engine_api is None, "the engine went with the last patch"
        assert host.dropped == {}
        return "absent"
    (patch,) = found.patches
    assert (patch.phase, patch.conversion) == (PatchPhase.PATCHED, "on")
    return "patched"
