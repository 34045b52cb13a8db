# SPDX-License-Identifier: MIT
"""The livepatch engine, through sysfs, on any host."""

import errno
import re
from pathlib import Path

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines import modules
from lppack.engines.protocol import Blocker, PatchState
from lppack.errors import HostError
from lppack.hosts.protocol import Host
from lppack.model.patch_info import PatchInfo
from lppack.shape import printable

_BLOCKERS_SHOWN = 20

# For each thread whose /proc/TID/patch_state is not $1: "pid tid state comm". A thread that ends
# meanwhile is skipped.
_SCAN = """
for task in /proc/[0-9]*/task/[0-9]*; do
  { read -r now < "$task/patch_state"; } 2> /dev/null || continue
  [ "$now" = -1 ] || [ "$now" = "$1" ] && continue
  { read -r comm < "$task/comm"; } 2> /dev/null || continue
  { read -r stat < "$task/stat"; } 2> /dev/null || continue
  rest=${stat##*) }
  pid=${task#/proc/}
  echo "${pid%%/*} ${task##*/} ${rest%% *} $comm"
done
"""


class Livepatch:
    """The Engine of the kernel's livepatch. It finds a blocker's function by names on the stack."""

    name = "livepatch"

    def __init__(self, host: Host) -> None:
        self.host = host

    def load(self, module: str, ko: Path) -> None:
        modules.insert(self.host, module, ko)

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
        )

    def convert(self, module: str, *, on: bool) -> None:
        self.host.write(abi.parameter(module, "convert"), "1" if on else "0")

    def reverse(self, module: str, *, to: bool | None = None) -> None:
        # core.c: enabled_store() returns EINVAL for the current value (v6.1).
        try:
            modules.enable(self.host, abi.patch_attribute(module, "enabled"), to)
        except HostError as error:
            # The kernel continues the write after lppack has given up; on Debian 13's 6.12, with
            # threads that only spin, it takes more than a minute. The state shows the result.
            if error.errno != errno.ETIMEDOUT:
                raise

    def limit(self, module: str, name: str, percent: int) -> None:
        raise HostError(abi.patch_attribute(module, name), errno.EOPNOTSUPP)

    def unload(self, module: str) -> None:
        try:
            self.host.write(abi.unload_attribute(module, "unload"), "1")
        except HostError as error:
            if not error.absent:  # without the file, it is foreign or of an earlier lppack
                raise
        modules.remove(self.host, module)

    def patches(self) -> tuple[PatchState, ...]:
        names = {*modules.names(self.host, abi.LIVEPATCH), *modules.ours(self.host)}
        states = (self.state(name) for name in sorted(names))
        return tuple(s for s in states if s.phase is not PatchPhase.ABSENT and self._is_patch(s))

    def _is_patch(self, state: PatchState) -> bool:
        """Return False for a patch of the other engine, and for an unpatched foreign patch.

        The latter looks like any other module.
        """
        if state.info:
            return state.info.engine == self.name
        return state.phase is not PatchPhase.UNPATCHED

    def _phase(self, module: str) -> PatchPhase:
        enabled = modules.text(self.host, abi.patch_attribute(module, "enabled"))
        transition = modules.text(self.host, abi.patch_attribute(module, "transition"))
        return abi.phase_of(
            loaded=modules.is_loaded(self.host, module),
            enabled=None if enabled is None else enabled == "1",
            transition=transition == "1",
        )

    def _blockers(self, module: str, phase: PatchPhase) -> tuple[Blocker, ...]:
        if phase is PatchPhase.UNPATCHED:  # threads in the module at the last unload request
            return modules.blockers(self.host, abi.unload_attribute(module, "inside"))
        if phase not in (PatchPhase.PATCHING, PatchPhase.UNPATCHING):
            return ()
        wanted = "1" if phase is PatchPhase.PATCHING else "0"
        done = self.host.run(["sh", "-c", _SCAN, "sh", wanted], limit=modules.LIMIT)
        rows = [line.split(" ", 3) for line in done.out.splitlines()]
        patched = frozenset(function for _, function in self.replaced(module))
        return tuple(
            self._blocker(int(row[0]), int(row[1]), row[2], row[3], patched)
            for row in rows[:_BLOCKERS_SHOWN]
            if len(row) == 4 and (row[0] + row[1]).isdecimal()
        )

    def _waiting(self, module: str) -> frozenset[tuple[str, str]]:
        # Documentation/ABI/testing/sysfs-kernel-livepatch: OBJECT/patched (since v6.1).
        base = f"{abi.LIVEPATCH}/{module}"
        return frozenset(
            (object_, function)
            for object_, function in self.replaced(module)
            if modules.text(self.host, f"{base}/{object_}/patched") == "0"
        )

    def forced(self) -> bool | None:
        return modules.was_forced(self.host)

    def moving_for(self, module: str) -> float | None:
        return modules.moving_for(self.host, module)

    def srcversion(self, module: str) -> str | None:
        return modules.srcversion(self.host, module)

    def load_order(self) -> tuple[str, ...]:
        return modules.load_order(self.host)

    def replaced(self, module: str) -> frozenset[tuple[str, str]]:
        # kernel/livepatch/core.c: klp_init_func(): "function,sympos" below each object (v6.1).
        base = f"{abi.LIVEPATCH}/{module}"
        return frozenset(
            (object_, name.rsplit(",", 1)[0])
            for object_ in modules.names(self.host, base)
            for name in modules.names(self.host, f"{base}/{object_}")
            if "," in name
        )

    def _blocker(
        self, pid: int, tid: int, state: str, comm: str, patched: frozenset[str]
    ) -> Blocker:
        stack = modules.text(self.host, f"/proc/{pid}/task/{tid}/stack") or ""
        frames = re.findall(r"^\[<[^>]*>\] ([^+\s]+)\+", stack, re.MULTILINE)
        function = next(
            (name for name in frames if name in patched or name.removeprefix("lp_") in patched),
            None,
        )
        if function:
            reason = f"{'runs' if state == 'R' else 'sleeps'} in {function}"
        elif state == "R":
            reason = "runs, and has not crossed the border to user space"
        else:
            reason = "not checked yet, or its stack is not reliable"
        return Blocker(pid=pid, tid=tid, comm=printable(comm), function=function, reason=reason)
