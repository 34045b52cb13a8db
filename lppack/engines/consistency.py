# SPDX-License-Identifier: MIT
"""lppack's own engine in the kernel, lppack_engine.ko: every mode, through sysfs, on any host."""

from pathlib import Path

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines import modules
from lppack.engines.protocol import Blocker, PatchState
from lppack.errors import ApplyRefused
from lppack.hosts.protocol import Host
from lppack.model.patch_info import PatchInfo


class Consistency:
    """The Engine of lppack_engine.ko. ``load`` also loads lppack_engine.ko, from the patch's
    folder."""

    name = "consistency"

    def __init__(self, host: Host) -> None:
        self.host = host

    def load(self, module: str, ko: Path) -> None:
        if not modules.is_loaded(self.host, abi.ENGINE):
            try:
                modules.insert(self.host, abi.ENGINE, ko.parent / f"{abi.ENGINE}.ko")
            except ApplyRefused as error:
                if error.reason != modules.LOADED_MEANWHILE:
                    raise  # otherwise another command has loaded it
        api = modules.parameter(self.host, abi.ENGINE, "api")
        if api != str(abi.ENGINE_API):
            raise ApplyRefused(
                f"the {abi.ENGINE} on {self.host.name} has API {api}, but this lppack uses "
                f"{abi.ENGINE_API}",
                hint=f"revert the patches that it holds, then: rmmod {abi.ENGINE}",
                reason="other-engine",
            )
        try:
            modules.insert(self.host, module, ko)
        except ApplyRefused:
            self._drop_engine()
            raise

    def state(self, module: str) -> PatchState:
        phase = self._phase(module)
        info = modules.info(self.host, module) if phase is not PatchPhase.ABSENT else PatchInfo()
        return PatchState(
            module=module,
            phase=phase,
            convert=modules.parameter(self.host, module, "convert") == "1" if info else None,
            converted=modules.converted(self.host, module) if info else 0,
            info=info,
            still_new=modules.still_new(self.host, module) if info else None,
            blockers=self._blockers(module, phase),
            waiting=self._waiting(module) if phase is PatchPhase.PATCHED else frozenset(),
            problem=modules.text(self.host, abi.engine_attribute(module, "problem")) or None,
            longest_stop_ms=self._longest_stop(module),
        )

    def convert(self, module: str, *, on: bool) -> None:
        self.host.write(abi.parameter(module, "convert"), "1" if on else "0")

    def reverse(self, module: str, *, to: bool | None = None) -> None:
        modules.enable(self.host, abi.engine_attribute(module, "enabled"), to)

    def limit(self, module: str, name: str, percent: int) -> None:
        self.host.write(abi.engine_attribute(module, name), str(percent))

    def unload(self, module: str) -> None:
        modules.remove(self.host, module)
        self._drop_engine()

    def patches(self) -> tuple[PatchState, ...]:
        found = {*modules.names(self.host, abi.ENGINE_PATCHES)}
        found |= {name for name in modules.ours(self.host) if self.owns(name)}
        states = (self.state(name) for name in sorted(found))
        return tuple(state for state in states if state.phase is not PatchPhase.ABSENT)

    def owns(self, module: str) -> bool:
        """Return True if ``module`` is loaded, and was built for this engine."""
        return modules.info(self.host, module).engine == self.name

    def forced(self) -> bool:
        """Return False: this engine cannot force a transition; the livepatch engine reports its
        own."""
        return False

    def moving_for(self, module: str) -> float | None:
        return modules.moving_for(self.host, module)

    def srcversion(self, module: str) -> str | None:
        return modules.srcversion(self.host, module)

    def load_order(self) -> tuple[str, ...]:
        return modules.load_order(self.host)

    def replaced(self, module: str) -> frozenset[tuple[str, str]]:
        return frozenset((object_, function) for object_, function, _ in self._functions(module))

    def _drop_engine(self) -> None:
        """Unload the engine after the last patch; load() loads it with the first."""
        if not modules.names(self.host, abi.ENGINE_PATCHES):
            self.host.run(["rmmod", abi.ENGINE], limit=modules.LIMIT)

    def _phase(self, module: str) -> PatchPhase:
        said = modules.text(self.host, abi.engine_attribute(module, "state"))
        if said is not None:
            return PatchPhase(said)
        return PatchPhase.UNPATCHED if modules.is_loaded(self.host, module) else PatchPhase.ABSENT

    def _functions(self, module: str) -> tuple[tuple[str, str, str], ...]:
        said = modules.text(self.host, abi.engine_attribute(module, "functions")) or ""
        rows = (line.split() for line in said.splitlines())
        return tuple((row[0], row[1], row[2]) for row in rows if len(row) == 3)

    def _waiting(self, module: str) -> frozenset[tuple[str, str]]:
        return frozenset(
            (object_, name) for object_, name, hooked in self._functions(module) if hooked == "0"
        )

    def _longest_stop(self, module: str) -> float | None:
        longest = abi.engine_attribute(module, "statistics/longest_stop_ns")
        said = modules.text(self.host, longest)
        return None if said is None else modules.number(longest, said) / 1e6

    def _blockers(self, module: str, phase: PatchPhase) -> tuple[Blocker, ...]:
        if phase not in (PatchPhase.PATCHING, PatchPhase.UNPATCHING):
            return ()
        return modules.blockers(self.host, abi.engine_attribute(module, "blockers"))
