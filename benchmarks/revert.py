# SPDX-License-Identifier: MIT
"""Time to take a patch of ten functions back, until they are unhooked and the module may go: the
kernel's own livepatch, and ours, on the same patch; nobody is in the functions.

Run from the root of the repository: python -m benchmarks.revert [RELEASE or pattern]...
"""

import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lppack import pipeline
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.debian.kernels import resolve
from lppack.engines.kernel import KernelEngines
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.apply import Control, settle, unload
from lppack.stages.test import load_targets
from tests.kit.wide import wide
from tests.loads.driver import Patch, last_transition
from tests.loads.matrix import build_from

Cell = tuple[EngineName, ModeName]
FUNCTIONS = 10
ROUNDS = 7
#: Our part of upstream's time is at most so much.
LIMIT = 0.10
UPSTREAM = (EngineName.LIVEPATCH, ModeName.HYBRID)
OURS = tuple(
    (EngineName.CONSISTENCY, mode)
    for mode in (ModeName.HYBRID, ModeName.KPATCH, ModeName.REFCOUNT, ModeName.CHECKPOINT)
)


def main(*patterns: str) -> int:
    """Print what was measured; return 1 if the limit is passed."""
    kept = True
    for pattern in patterns or ("6.1.0-*-amd64",):
        kernel = resolve(None, [pattern])
        say(f"{kernel.release} {kernel.version}: seconds to take {FUNCTIONS} functions back")
        kept = measure(kernel) and kept
    return 0 if kept else 1


def measure(kernel: Kernel) -> bool:
    """Print what each mode takes, upstream first; return True if ours keep the limit."""
    found: dict[Cell, float] = {}
    with tempfile.TemporaryDirectory(prefix="lppack-") as name:
        folder = Path(name)
        built = [
            (engine, mode, made(kernel, engine, mode, folder / f"{engine}-{mode}"))
            for engine, mode in (UPSTREAM, *OURS)
        ]
        initramfs = pipeline.initramfs_for(kernel, "docker")
        with boot(kernel, work=folder / "g", initramfs=initramfs) as host:
            load_targets(host, built[0][2].bundle, built[0][2].ko.parent)
            for engine, mode, patch in built:
                found[engine, mode] = statistics.median(
                    back(host, engine, patch) for _ in range(ROUNDS)
                )
            if faults := host.faults():
                raise RuntimeError("\n".join(faults))
    return report(found)


def report(found: Mapping[Cell, float]) -> bool:
    """Print the rows; return True if each mode of ours is at most LIMIT of upstream's time."""
    upstream = found[UPSTREAM]
    for (engine, mode), took in found.items():
        say(f"  {engine:12} {mode:11} {took:7.3f}   {took / upstream:.3f} of upstream's")
    kept = all(took <= LIMIT * upstream for cell, took in found.items() if cell != UPSTREAM)
    say(f"  at most {LIMIT}: {'ok' if kept else 'MISSED'}")
    return kept


def made(kernel: Kernel, engine: EngineName, mode: ModeName, folder: Path) -> Patch:
    manifest = wide(folder / "source", FUNCTIONS)
    return build_from(manifest, kernel, engine, mode_named(mode), folder)


def back(host: GuestHost, engine: EngineName, patch: Patch) -> float:
    """Seconds from the request until the patch is unpatched, as the kernel's log has it."""
    control = Control(engine=KernelEngines(host, engine), host=host, timeout=60.0)
    module = patch.bundle.module
    control.engine.load(module, patch.ko)
    assert settle(control, module, PatchPhase.PATCHED, 60.0)[0].phase is PatchPhase.PATCHED
    control.engine.reverse(module, to=False)
    assert settle(control, module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
    said = last_transition(control, module)
    assert unload(control, module)
    return said["complete"] - said["starting"]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
