# SPDX-License-Identifier: MIT
"""Instructions of a call of a patched function when nothing moves, counted by QEMU.

Run from the root of the repository: python -m benchmarks.calls [RELEASE or pattern]...
"""

import re
import sys
import tempfile
from pathlib import Path

from lppack import pipeline
from lppack.consistency import EngineName, Mode, ModeName
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.bundle import extract
from lppack.stages.revert import revert
from lppack.stages.test import load_targets
from tests.loads.matrix import ENGINES, cells

PATCH = Path(__file__).parent / "leaf"
REPEATS = 3
#: A call through our engine is at least so much shorter than through upstream's.
LIMIT = 20.0


def main(*patterns: str) -> int:
    """Print what was counted; 1 if the limit is passed."""
    kept = True
    for pattern in patterns or (releases_of(), releases_of("6.12")):
        kernel = resolve(None, [pattern])
        counts = measure(kernel)
        say(f"{kernel.release} {kernel.version}, instructions of a call, of its loop too")
        for name, values in counts.items():
            say(f"  {name:24} {', '.join(f'{value:.2f}' for value in values)}")
        kept = kept and below(counts)
    return 0 if kept else 1


def below(counts: dict[str, list[float]]) -> bool:
    """Return True if each mode of ours is LIMIT below upstream, in the last repeat of each."""
    upstream = counts[f"{EngineName.LIVEPATCH} {ModeName.HYBRID}"][-1]
    ours = {name: values[-1] for name, values in counts.items() if "consistency" in name}
    for name, value in ours.items():
        say(
            f"  {name}: {upstream - value:.1f} fewer than upstream, at least {LIMIT:.0f}: "
            f"{'ok' if upstream - value >= LIMIT else 'MISSED'}"
        )
    return all(upstream - value >= LIMIT for value in ours.values())


def measure(kernel: Kernel) -> dict[str, list[float]]:
    """For each engine and mode, and without a patch: instructions a call, in each repeat."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
        for engine, mode in cells():
            place = Path(folder) / f"{engine}-{mode.name}"
            plain, patched = count(kernel, engine, mode, place)
            found.setdefault("not patched", plain)
            found[f"{engine} {mode.name}"] = patched
    return found


def count(
    kernel: Kernel, engine: EngineName, mode: Mode, place: Path
) -> tuple[list[float], list[float]]:
    """Instructions a call before the patch, and with it, in a guest of its own."""
    plan = pipeline.make_plan(PATCH, kernel=kernel.release, engine=engine.value, mode=mode.name)
    bundle = pipeline.make_bundle(plan, place, builder="docker", on_line=lambda _line: None).bundle
    extract(bundle.path, place / "files")
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=place / "g", initramfs=initramfs, counted=True, limit=600.0) as host:
        load_targets(host, bundle, place / "files")
        control = Control(engine=ENGINES[engine](host), host=host, timeout=120.0)
        plain = repeats(host)
        apply(control, bundle, place / "files" / f"{bundle.module}.ko")
        patched = repeats(host)
        revert(control, bundle.series)
        if found := host.faults():
            raise RuntimeError("\n".join(found))
    return plain, patched


def repeats(host: GuestHost) -> list[float]:
    rows = [re.findall(r"\d+", host.read("/proc/calls")) for _ in range(REPEATS)]
    return [int(nanoseconds) / int(calls) for calls, _, nanoseconds in rows]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
