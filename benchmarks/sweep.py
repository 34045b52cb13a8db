# SPDX-License-Identifier: MIT
"""Sweep: 1,008 explorations in one process, in one for each of two processors, and on a farm.

Wall seconds of the whole command, from the start of Python, in turns; the farm is a scheduler and
two workers of dask.distributed on this machine, which are there before. The rows must be the same,
and no process of lppack may be left.

Run from the root of the repository: python -m benchmarks.sweep [ROUNDS] [THREADS]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.kit.containers import children
from tests.kit.farm import farm

ROUNDS = 3
THREADS = 24  # times 14 numbers of kernel threads, times 3 modes
LIMIT = 1.8


def main(rounds: str = str(ROUNDS), threads: str = str(THREADS)) -> int:
    """Print what was measured; 1 if a limit is missed, or the rows differ."""
    words = ["simulate", "examples/proc-cmdline", "--format", "json"]
    for values in ("mode=kpatch,refcount,checkpoint", f"threads=1..{threads}", "kthreads=0..13"):
        words += ["--sweep", values]
    with tempfile.TemporaryDirectory(prefix="lppack-bench-") as folder, farm(Path(folder)) as found:
        ways = {
            "one process": ("--jobs", "1"),
            "two processes": ("--jobs", "2"),
            "farm of two workers": ("--farm", found.address),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        rows = set()
        for _ in range(int(rounds)):
            for name, how in ways.items():
                start = time.monotonic()
                rows.add(swept([*words, *how]))
                times[name].append(time.monotonic() - start)
    say(f"{int(threads) * 14 * 3} explorations, wall seconds: median (least to most of {rounds})")
    missed = report(times)
    if len(rows) > 1:
        say("  the rows DIFFER")
    return 1 if missed or len(rows) > 1 else 0


def swept(words: Sequence[str]) -> bytes:
    """Return what the command prints. RuntimeError if it fails, or leaves a process."""
    child = subprocess.Popen([sys.executable, "-m", "lppack", *words], stdout=subprocess.PIPE)
    out, _ = child.communicate()
    if child.returncode or children(child.pid):
        raise RuntimeError(f"exit code {child.returncode}, left: {children(child.pid)}")
    return out


def report(times: dict[str, list[float]]) -> int:
    """Print medians and how many times faster than one process; return how many are too slow."""
    first, *_ = (statistics.median(each) for each in times.values())
    missed = 0
    for number, (name, each) in enumerate(times.items()):
        middle = statistics.median(each)
        line = f"  {name}: {middle:.1f} ({min(each):.1f} to {max(each):.1f})"
        if number:
            held = first / middle >= LIMIT
            missed += not held
            line += f", {first / middle:.2f} times as fast, {LIMIT:g} at least: "
            line += "held" if held else "MISSED"
        say(line)
    return missed


def say(line: str) -> None:
    """Print at once, also into a file."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
