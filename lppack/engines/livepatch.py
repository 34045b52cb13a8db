# SPDX-License-Identifier: MIT
"""The kernel's own engine, through sysfs, on any host."""

import errno
import json
import re
from pathlib import Path

from lppack import abi
from lppack.abi import Phase
from lppack.engines.protocol import Blocker, PatchState
from lppack.errors import ApplyRefused, HostError
from lppack.hosts.protocol import Host

_LIMIT = 30.0  # seconds for one command on the host
_DROP = "/run/lppack/load"
_BLOCKERS_SHOWN = 20

# For each thread whose /proc/TID/patch_state is not $1: "pid tid state comm". A thread that ends
# meanwhile is passed over.
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
    """Implements Engine. ``functions`` of blockers are found by the names in a stack."""

    name = "livepatch"

    def __init__(self, host: Host) -> None:
        self.host = host

    def load(self, module: str, ko: Path) -> None:
        path = f"{_DROP}/{module}.ko"
        self.host.put(ko, path, mode=0o600)
        try:
            done = self.host.run(["insmod", path], limit=_LIMIT)
        finally:
            self.host.run(["rm", "-f", path], limit=_LIMIT)
        if done.rc == 0:
            return
        if self.state(module).phase is not Phase.ABSENT:
            return  # insmod was cut off, or said so: the module is there, and state tells the rest
        said = (done.err or done.out).strip().splitlines()
        raise ApplyRefused(
            f"the kernel refused {module}: {said[-1] if said else f'insmod ended with {done.rc}'}",
            hint="\n  ".join(["the kernel's log says:", *self._log(module)])
            if self._log(module)
            else "see the kernel's log: dmesg",
        )

    def _log(self, module: str) -> list[str]:
        done = self.host.run(["dmesg"], limit=_LIMIT)
        wanted = re.compile(rf"livepatch|{re.escape(module)}|module: |insmod")
        return [line for line in done.out.splitlines() if wanted.search(line)][-4:]

    def state(self, module: str) -> PatchState:
        phase = self._phase(module)
        info = self._info(module) if phase is not Phase.ABSENT else {}
        return PatchState(
            module=module,
            phase=phase,
            convert=self._parameter(module, "convert") == "1" if info else None,
            converted=int(self._parameter(module, "converted") or 0) if info else 0,
            info=info,
            blockers=self._blockers(module, phase),
            waiting=self._waiting(module) if phase is Phase.PATCHED else frozenset(),
        )

    def convert(self, module: str, *, on: bool) -> None:
        self.host.write(abi.parameter(module, "convert"), "1" if on else "0")

    def reverse(self, module: str) -> None:
        path = abi.patch_attribute(module, "enabled")
        # core.c: enabled_store() refuses the value that it has; reversing writes the other one.
        self.host.write(path, "0" if self.host.read(path).strip() == "1" else "1")

    def unload(self, module: str) -> None:
        done = self.host.run(["rmmod", module], limit=_LIMIT)
        if done.rc != 0:
            raise HostError(f"{abi.MODULES}/{module}", errno.EBUSY, (done.err or done.out).strip())

    def patches(self) -> tuple[PatchState, ...]:
        names = {*self._list(abi.LIVEPATCH)}
        names |= {name for name in self._list(abi.MODULES) if name.startswith("lppack_")}
        states = (self.state(name) for name in sorted(names))
        return tuple(s for s in states if s.phase is not Phase.ABSENT and self._is_patch(s))

    def _is_patch(self, state: PatchState) -> bool:
        return bool(state.info) or state.phase is not Phase.UNPATCHED

    def _list(self, path: str) -> tuple[str, ...]:
        try:
            return self.host.list(path)
        except HostError:
            return ()

    def _phase(self, module: str) -> Phase:
        enabled = self._file(abi.patch_attribute(module, "enabled"))
        transition = self._file(abi.patch_attribute(module, "transition"))
        # initstate is there as soon as the module is (kernel/module/sysfs.c, v6.1).
        loaded = self._file(f"{abi.MODULES}/{module}/initstate") is not None
        return abi.phase_of(
            loaded=loaded,
            enabled=None if enabled is None else enabled == "1",
            transition=transition == "1",
        )

    def _info(self, module: str) -> dict[str, object]:
        text = self._parameter(module, "info")
        try:
            info = json.loads(text) if text else {}
        except ValueError:
            return {}
        return info if isinstance(info, dict) and "series" in info else {}

    def _parameter(self, module: str, name: str) -> str | None:
        return self._file(abi.parameter(module, name))

    def _file(self, path: str) -> str | None:
        """Its text; None if there is no such file (ENODEV: it goes away at this moment)."""
        try:
            return self.host.read(path).strip()
        except HostError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENOTDIR):
                return None
            raise

    def _blockers(self, module: str, phase: Phase) -> tuple[Blocker, ...]:
        if phase not in (Phase.PATCHING, Phase.UNPATCHING):
            return ()
        wanted = "1" if phase is Phase.PATCHING else "0"
        done = self.host.run(["sh", "-c", _SCAN, "sh", wanted], limit=_LIMIT)
        rows = [line.split(" ", 3) for line in done.out.splitlines()]
        patched = frozenset(function for _, function in self.replaced(module))
        return tuple(
            self._blocker(int(row[0]), int(row[1]), row[2], row[3], patched)
            for row in rows[:_BLOCKERS_SHOWN]
            if len(row) == 4
        )

    def _waiting(self, module: str) -> frozenset[str]:
        # Documentation/ABI/testing/sysfs-kernel-livepatch: OBJECT/patched (since v6.1).
        base = f"{abi.LIVEPATCH}/{module}"
        return frozenset(
            function
            for object_, function in self.replaced(module)
            if self._file(f"{base}/{object_}/patched") == "0"
        )

    def forced(self) -> bool:
        return abi.FORCED in self.host.run(["dmesg"], limit=_LIMIT).out

    def replaced(self, module: str) -> frozenset[tuple[str, str]]:
        # kernel/livepatch/core.c: klp_init_func(): "function,sympos" below each object (v6.1).
        base = f"{abi.LIVEPATCH}/{module}"
        return frozenset(
            (object_, name.rsplit(",", 1)[0])
            for object_ in self._list(base)
            for name in self._list(f"{base}/{object_}")
            if "," in name
        )

    def _blocker(
        self, pid: int, tid: int, state: str, comm: str, patched: frozenset[str]
    ) -> Blocker:
        stack = self._file(f"/proc/{pid}/task/{tid}/stack") or ""
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
        return Blocker(pid=pid, tid=tid, comm=comm, function=function, reason=reason)
