# SPDX-License-Identifier: MIT
"""A simulated kernel as an engine, in every mode; it is stored in a file between commands."""

import contextlib
import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack import abi, store
from lppack.engines.protocol import Blocker, PatchState
from lppack.engines.simulated_kernel import NoData, SimulatedKernel
from lppack.engines.simulated_tasks import LivePatch
from lppack.errors import ApplyRefused, EnvironmentMissing, HostError
from lppack.hosts.protocol import Ran
from lppack.model.patch_info import PatchInfo

if TYPE_CHECKING:
    from lppack.model import Bundle

NAME = "simulated"
_ERRNO: dict[type[Exception], int] = {
    FileExistsError: errno.EEXIST,
    FileNotFoundError: errno.ENOENT,
    BlockingIOError: errno.EBUSY,
    NoData: errno.EOPNOTSUPP,
    PermissionError: errno.EPERM,
}


def state_file() -> Path:
    return store.state_dir() / NAME / "kernel.json"


@contextlib.contextmanager
def stored(path: Path) -> Iterator[SimulatedKernel]:
    """Yield the kernel in ``path``, or a new one; store it after the block.

    Only one process at a time can use it. A second of its time passes between two commands.
    """
    with store.locked(path.with_suffix(".lock")):
        kernel = _read(path) if path.exists() else SimulatedKernel.fresh()
        kernel.pass_time(1.0)
        try:
            yield kernel
        finally:
            store.write_atomic(path, json.dumps(kernel.to_json(), indent=1).encode())


def _read(path: Path) -> SimulatedKernel:
    try:
        return SimulatedKernel.of_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentMissing(
            f"{path} is not a simulated kernel: {error}", hint=f"begin with a new one: rm {path}"
        ) from None


class SimulatedHost:
    """A Host with files only; it runs no program."""

    name = NAME
    lock = None  # stored() admits one process at a time

    def __init__(self, kernel: SimulatedKernel) -> None:
        self.kernel = kernel

    def read(self, path: str) -> str:
        files = {
            abi.OSRELEASE: self.kernel.release,
            abi.VERSION: self.kernel.version,
            abi.FTRACE_ENABLED: "1",
            abi.TAINTED: "0",
        }
        if path not in files:
            raise HostError(path, errno.ENOENT)
        return files[path] + "\n"

    def write(self, path: str, text: str) -> None:
        raise HostError(path, errno.ENOENT)

    def list(self, path: str) -> tuple[str, ...]:
        if path == abi.LIVEPATCH:
            return tuple(patch.module for patch in self.kernel.patches if patch.known)
        raise HostError(path, errno.ENOENT)

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        raise HostError(path, errno.EROFS)

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        if list(argv) == ["dmesg"]:
            return Ran(rc=0, out="\n".join(self.kernel.log), err="")
        return Ran(rc=127, out="", err=f"{argv[0]}: not in a simulated kernel\n")


class SimulatedClock:
    """The Clock of a simulated kernel: a sleep advances its time, and does not wait."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        self.kernel = kernel

    def now(self) -> float:
        return self.kernel.time

    def sleep(self, seconds: float) -> None:
        # A shorter time would not change the clock, because of its precision.
        self.kernel.pass_time(max(seconds, 0.001))


class Simulated:
    """An Engine. ``bundles`` provides facts that it does not read from their modules."""

    name = NAME

    def __init__(self, kernel: SimulatedKernel, *bundles: "Bundle") -> None:
        self.kernel = kernel
        self.bundles = {bundle.module: bundle for bundle in bundles}
        if bundles and not kernel.patches:  # a kernel without patches can have any release
            kernel.release, kernel.version = bundles[0].release, bundles[0].kernel_version

    def load(self, module: str, ko: Path) -> None:
        bundle = self.bundles[module]
        made = LivePatch(
            module=module,
            # Facts that a real kernel reads from the module, whose bytes are not read here.
            info={**_info(bundle), "srcversion": bundle.srcversion},
            functions=[list(pair) for pair in bundle.functions],
            mode=bundle.mode.value,
        )
        try:
            with _as_errno(module):
                self.kernel.load(made)
        except HostError as error:
            raise ApplyRefused(f"the kernel refused {module}: {error.message}") from None

    def state(self, module: str) -> PatchState:
        patch = self.kernel.patch(module)
        moving = self.kernel.moving == module
        enabled = patch.enabled if patch and patch.known else None
        phase = abi.phase_of(loaded=patch is not None, enabled=enabled, transition=moving)
        return PatchState(
            module=module,
            phase=phase,
            convert=patch.converting if patch else None,
            converted=sum(patch.new if patch.world else patch.tracked) if patch else 0,
            info=PatchInfo.of(patch.info if patch else {}),
            still_new=() if patch else None,  # rule T4 stands for `reverse`
            blockers=tuple(self._blockers()) if moving else (),
            problem=patch.problem if patch else None,
        )

    def _blockers(self) -> Iterator[Blocker]:
        for task, function in self.kernel.blockers():
            doing = "sleeps" if task.held else "runs"
            where = f"in {function}" if function else "and was not found outside yet"
            yield Blocker(
                pid=task.pid,
                tid=task.pid,
                comm=task.comm,
                function=function,
                reason=f"{doing} {where}",
            )

    def convert(self, module: str, *, on: bool) -> None:
        with _as_errno(abi.parameter(module, "convert")):
            self.kernel.convert(module, on=on)

    def reverse(self, module: str, *, to: bool | None = None) -> None:
        path, patch = abi.patch_attribute(module, "enabled"), self.kernel.patch(module)
        if to is not None and patch is not None and patch.known and patch.enabled is to:
            raise HostError(path, errno.EINVAL)
        with _as_errno(path):
            self.kernel.reverse(module)

    def limit(self, module: str, name: str, percent: int) -> None:
        raise HostError(abi.patch_attribute(module, name), errno.EOPNOTSUPP)

    def unload(self, module: str) -> None:
        with _as_errno(f"{abi.MODULES}/{module}"):
            self.kernel.unload(module)

    def patches(self) -> tuple[PatchState, ...]:
        return tuple(self.state(patch.module) for patch in self.kernel.patches)

    def forced(self) -> bool:
        return False  # a simulated transition cannot be forced

    def moving_for(self, module: str) -> float | None:
        return None  # the start of a transition is not recorded

    def replaced(self, module: str) -> frozenset[tuple[str, str]]:
        patch = self.kernel.patch(module)
        if patch is None or not patch.known:
            return frozenset()
        return frozenset((object_, function) for object_, function in patch.functions)

    def srcversion(self, module: str) -> str | None:
        patch = self.kernel.patch(module)
        found = patch.info.get("srcversion") if patch else None
        return found if isinstance(found, str) else None

    def load_order(self) -> tuple[str, ...]:
        return tuple(patch.module for patch in self.kernel.patches)


@contextlib.contextmanager
def _as_errno(path: str) -> Iterator[None]:
    try:
        yield
    except tuple(_ERRNO) as error:
        raise HostError(path, _ERRNO[type(error)]) from None


def _info(bundle: "Bundle") -> dict[str, Any]:
    """Return the content of the module's parameter `info`."""
    return {
        "series": bundle.series,
        "version": bundle.version,
        "engine": NAME,
        "mode": bundle.mode.value,
        "replaces": list(bundle.replaces),
        "transforms": ["data"] if bundle.converts else [],
        "world": ["data"] if bundle.world else [],
        "fixes": [
            {
                "cve": fix.cve,
                "commit": fix.commit,
                "functions": list(fix.functions),
                "effective": fix.effective.value,
            }
            for fix in bundle.fixes
        ],
        "irreversible": bundle.irreversible,
        "release": bundle.release,
        "kernel": bundle.kernel_version,
    }
