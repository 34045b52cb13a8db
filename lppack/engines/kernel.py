# SPDX-License-Identifier: MIT
"""Both engines of a kernel as one: each request goes to the engine of the patch."""

from pathlib import Path

from lppack.consistency import EngineName
from lppack.engines.consistency import Consistency
from lppack.engines.livepatch import Livepatch
from lppack.engines.protocol import Engine, PatchState
from lppack.hosts.protocol import Host


class KernelEngines:
    """An Engine that combines both. ``loads`` is the engine that loads new patches."""

    def __init__(self, host: Host, loads: EngineName = EngineName.LIVEPATCH) -> None:
        self.livepatch = Livepatch(host)
        self.consistency = Consistency(host)
        self.name = loads.value
        self._loads: Engine = (
            self.consistency if loads is EngineName.CONSISTENCY else self.livepatch
        )

    def load(self, module: str, ko: Path) -> None:
        self._loads.load(module, ko)

    def state(self, module: str) -> PatchState:
        return self._of(module).state(module)

    def convert(self, module: str, *, on: bool) -> None:
        self._of(module).convert(module, on=on)

    def reverse(self, module: str, *, to: bool | None = None) -> None:
        self._of(module).reverse(module, to=to)

    def limit(self, module: str, name: str, percent: int) -> None:
        self._of(module).limit(module, name, percent)

    def unload(self, module: str) -> None:
        self._of(module).unload(module)

    def patches(self) -> tuple[PatchState, ...]:
        found = (*self.livepatch.patches(), *self.consistency.patches())
        return tuple(sorted(found, key=lambda state: state.module))

    def forced(self) -> bool | None:
        return self.livepatch.forced()

    def moving_for(self, module: str) -> float | None:
        return self.livepatch.moving_for(module)

    def replaced(self, module: str) -> frozenset[tuple[str, str]]:
        return self._of(module).replaced(module)

    def srcversion(self, module: str) -> str | None:
        return self.livepatch.srcversion(module)

    def load_order(self) -> tuple[str, ...]:
        return self.livepatch.load_order()

    def _of(self, module: str) -> Engine:
        return self.consistency if self.consistency.owns(module) else self.livepatch
