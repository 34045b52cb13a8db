# SPDX-License-Identifier: MIT
"""The explorer against SPIN with one process for each thread: CPU time for the same model, written
by hand in benchmarks/models/threads.pml; and any number of threads by abstraction.

Run from the root of the repository, where spin and gcc are installed: python -m benchmarks.explore
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lppack.consistency import Leave, Switch, Transform
from lppack.simulator.explorer import Found, Population, explore
from lppack.simulator.machine import Machine, Method
from lppack.simulator.rules import Rules

MODEL = Path(__file__).parent / "models/threads.pml"
THREADS = (2, 4, 6, 8)
ANY_LIMIT = 2.0  # CPU seconds for any number of threads


def main() -> int:
    """Prints what was measured; 1 if a limit is passed."""
    in_time = True
    for switch, define in ((Switch.SWITCH_KERNEL, ()), (Switch.SWITCH_THREAD, ("-DST",))):
        say(f"LEAVE_PATCHED_SET {switch.name}, conversion on access, CPU seconds")
        for threads in THREADS:
            compiling, searching, states = spin(threads, *define)
            ours, found = explored(switch, threads, Population.COUNTED)
            say(
                f"  {threads} threads: SPIN {compiling:.2f} to compile, {searching:.2f} to search "
                f"{states} states; ours {ours:.3f} for {found.states}: "
                f"{searching / ours:.1f} times less than its search, "
                f"{(compiling + searching) / ours:.0f} times less than all of it"
            )
        ours, found = explored(switch, 1, Population.PRESENT)
        in_time &= ours <= ANY_LIMIT
        say(f"  any number: {ours:.3f} for {found.states} states, at most {ANY_LIMIT}")
    return 0 if in_time else 1


def spin(threads: int, *defines: str) -> tuple[float, float, int]:
    """CPU seconds to compile and to search, reductions on, and the states stored."""
    with tempfile.TemporaryDirectory() as folder:

        def run(*argv: str) -> tuple[float, str]:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return spent, done.stdout

        first, _ = run("spin", "-a", f"-DN={threads}", *defines, str(MODEL))
        second, _ = run("gcc", "-O2", "-w", "-DSAFETY", "-o", "pan", "pan.c")
        third, said = run("./pan", "-E", "-m1000000")
        stored = next(line for line in said.splitlines() if "states, stored" in line)
        return first + second, third, int(float(stored.split()[0]))


def explored(switch: Switch, threads: int, population: Population) -> tuple[float, Found]:
    machine = Machine(
        rules=Rules(),
        leave=Leave.LEAVE_PATCHED_SET,
        switch=switch,
        method=Method.COUNT,
        depth=2,
        transform=Transform.TRANSFORM_ON_ACCESS,
        objects=1,
        watch_p=False,
        watch_kernel=False,
    )
    start = time.process_time()
    found = explore(machine, (0,) * threads, population)
    return time.process_time() - start, found


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
