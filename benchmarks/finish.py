# SPDX-License-Identifier: MIT
"""Time to finish a transition under each load: the kernel's own livepatch, and ours in each mode,
on the same patch.

Run from the root of the repository: python -m benchmarks.finish [RELEASE or pattern]...
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lppack import abi, pipeline
from lppack.consistency import EngineName, Leave
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.engines import modules
from lppack.engines.consistency import Consistency
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.protocol import Host
from lppack.model import Kernel
from lppack.stages.apply import Control
from tests.loads.driver import LOADS, Row, measure
from tests.loads.matrix import build, cells, loaded, loads_of

PATCH = "forms"
FLIPS = 8
#: The median over the loads of our part of upstream's time is at most so much, in each mode.
LIMIT = 0.2
#: Documentation/admin-guide/dynamic-debug-howto.rst (v6.1); the messages are those of
#: klp_complete_transition() and of lpe_move().
_CONTROL = "/sys/kernel/debug/dynamic_debug/control"
_UPSTREAM = "file kernel/livepatch/transition.c format completing +p"
_OURS = f"module {abi.ENGINE} format completing +p"


class Told(Consistency):
    """Also says when the last thread has switched, as upstream's does where it is asked to."""

    def load(self, module: str, ko: Path) -> None:
        if not modules.is_loaded(self.host, abi.ENGINE):
            modules.insert(self.host, abi.ENGINE, ko.parent / f"{abi.ENGINE}.ko")
        self.host.write(_CONTROL, _OURS)
        super().load(module, ko)


def engine_for(name: EngineName, host: Host) -> Livepatch | Told:
    return Livepatch(host) if name is EngineName.LIVEPATCH else Told(host)


def main(*patterns: str) -> int:
    """Print what was measured; 1 if the limit is passed."""
    kept = True
    for pattern in patterns or (releases_of(),):
        kernel = resolve(pattern, ())
        say(f"{kernel.release} {kernel.version}: seconds until the last thread has switched")
        rows: dict[str, dict[str, Row]] = {}
        for row in measured(kernel):
            rows.setdefault(row.load, {})[f"{row.engine} {row.mode}"] = row
            say(line(row, rows[row.load]["livepatch hybrid"]))
        kept = verdict(rows) and kept
    return 0 if kept else 1


def measured(kernel: Kernel) -> Iterator[Row]:
    """Load by load, upstream first; what it does not finish is not measured on."""
    with tempfile.TemporaryDirectory(prefix="lppack-") as name:
        folder = Path(name)
        built = [
            (engine, mode, build(PATCH, kernel, engine, mode, folder))
            for engine, mode in cells()
            if mode.leave is not Leave.LEAVE_FUNCTION
        ]
        built.sort(key=lambda one: one[0] is not EngineName.LIVEPATCH)
        initramfs = pipeline.initramfs_for(kernel, "docker")
        with (
            boot(kernel, work=folder / "g", initramfs=initramfs) as host,
            loaded(host, built[0][2]) as victim,
        ):
            host.write(_CONTROL, _UPSTREAM)
            for load in loads_of(kernel):
                for engine, mode, patch in built:
                    control = Control(engine=engine_for(engine, host), host=host, timeout=60.0)
                    row = measure(control, victim, patch, mode.name, LOADS[load], flips=FLIPS)
                    yield row
                    if engine is EngineName.LIVEPATCH and row.finished < row.flips:
                        break
            sound(host)


def sound(host: GuestHost) -> None:
    if found := host.faults():
        raise RuntimeError("\n".join(found))


def ratio(row: Row, upstream: Row) -> float:
    return statistics.median(row.switched) / statistics.median(upstream.switched)


def line(row: Row, upstream: Row) -> str:
    """Return what a row shows, for a person; in brackets until its functions are unhooked, too."""
    name = f"{row.engine} {row.mode}"
    if row.finished < row.flips:
        return f"  {row.load:9} {name:22} {row.finished} of {row.flips} finished"
    text = (
        f"  {row.load:9} {name:22} {statistics.median(row.switched):7.3f}"
        f" ({statistics.median(row.seconds):.3f})"
    )
    return text if row is upstream else f"{text}   {ratio(row, upstream):.3f} of upstream's"


def ratios(rows: Mapping[str, Mapping[str, Row]]) -> dict[str, dict[str, float]]:
    """For each mode of ours and each load that upstream finishes: our part of its time."""
    found: dict[str, dict[str, float]] = {}
    for load, by_engine in rows.items():
        upstream = by_engine["livepatch hybrid"]
        if upstream.finished < upstream.flips:
            continue
        for name, row in by_engine.items():
            if row is not upstream and row.finished == row.flips:
                found.setdefault(name, {})[load] = ratio(row, upstream)
    return found


def verdict(rows: Mapping[str, Mapping[str, Row]]) -> bool:
    """Return True if each mode keeps the limit; also tells where upstream does best."""
    kept = True
    for name, by_load in ratios(rows).items():
        middle = statistics.median(by_load.values())
        best = max(by_load, key=lambda load: by_load[load])
        say(
            f"  {name}: median {middle:.3f} over {len(by_load)} loads, at most {LIMIT}: "
            f"{'ok' if middle <= LIMIT else 'MISSED'}; upstream does best under {best}, "
            f"{by_load[best]:.3f}"
        )
        kept = kept and middle <= LIMIT
    return kept


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{one}\n" for one in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
