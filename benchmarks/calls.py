# SPDX-License-Identifier: MIT
"""Instructions of a call of a patched function when nothing moves, counted by QEMU.

Run from the root of the repository: python -m benchmarks.calls [RELEASE or pattern]...

What it prints as rows is the table of lppack/cost/measured.py.
"""

import re
import statistics
import sys
from pathlib import Path

from benchmarks.counted import counted
from lppack.consistency import EngineName, ModeName
from lppack.cost.measured import UNPATCHED, Measured
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel

PATCH = Path(__file__).parent / "leaf"
SEVERAL_PATCH = PATCH / "several.yaml"
SERIES = ("6.1", "6.12", "7.2")
REPEATS = 10
UPSTREAM = f"{EngineName.LIVEPATCH} {ModeName.HYBRID}"
#: A call through our engine is at least so much shorter than through upstream's.
LIMIT = 20.0


def main(*patterns: str) -> int:
    """Print what was counted; 1 if the limit is passed."""
    kept = True
    for pattern in patterns or [releases_of(series) for series in SERIES]:
        found = measure(resolve(None, [pattern]))
        say(*rows(found))
        kept = below(found) and kept
    return 0 if kept else 1


def measure(kernel: Kernel) -> Measured:
    """Count a call without a patch, and with it by each engine in each mode, in one guest."""
    with counted(kernel, PATCH, several=SEVERAL_PATCH) as guest:
        paths = [middle(UNPATCHED, repeats(guest.host))]
        for path in guest.patches:
            with guest.patched(path):
                paths.append(middle(path, repeats(guest.host)))
    return Measured(
        release=kernel.release, version=kernel.package or kernel.version, paths=tuple(paths)
    )


def middle(path: str, values: list[float]) -> tuple[str, float, float, float]:
    """Return a row: median, least and most; the first repeat translates, and is left out."""
    steady = [round(value, 2) for value in values[1:]]
    return path, round(statistics.median(steady), 2), min(steady), max(steady)


def repeats(host: GuestHost) -> list[float]:
    rows = [re.findall(r"\d+", host.read("/proc/calls")) for _ in range(REPEATS + 1)]
    return [int(nanoseconds) / int(calls) for calls, _, nanoseconds in rows]


def rows(found: Measured) -> list[str]:
    """Return the row of the table, and what it means for a person."""
    lines = [f"{found.release} {found.version}: instructions of a call, with those of its loop"]
    for path, median, least, most in found.paths:
        lines.append(
            f"  {path:24} median {median:6.2f} ({least:.2f} to {most:.2f})  "
            f"added {median - found.unpatched:6.2f}  ratio {median / found.unpatched:5.2f}"
        )
    lines.append(f"    Measured(release={found.release!r}, version={found.version!r}, paths=(")
    lines += [f"        {path!r}," for path in found.paths]
    return [*lines, "    )),"]


def below(found: Measured) -> bool:
    """Return True if each mode of ours is LIMIT below upstream."""
    medians = {path: median for path, median, _, _ in found.paths}
    ours = {path: value for path, value in medians.items() if path.startswith("consistency")}
    for path, value in ours.items():
        less = medians[UPSTREAM] - value
        say(
            f"  {path}: {less:.1f} fewer than upstream, at least {LIMIT:.0f}: "
            f"{'ok' if less >= LIMIT else 'MISSED'}"
        )
    return all(medians[UPSTREAM] - value >= LIMIT for value in ours.values())


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
