# SPDX-License-Identifier: MIT
"""The explorer against SPIN, on models written by hand from docs/semantics.md: CPU seconds.

SPIN makes a C program of a model, compiles it, and runs it. Whoever changes the model pays for all
three; the search alone is shown beside it. Ours is in a process that has its modules already; what
loading them takes is shown too. All is measured in turns, several times.

Run from the root of the repository, where spin and gcc are installed: python -m benchmarks.explore
"""

import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack.checker.counted import count
from lppack.checker.explorer import Population, explore
from lppack.checker.machine import Machine, Method
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch, Transform

MODELS = Path(__file__).parent / "models"
SWITCHES = {Switch.SWITCH_KERNEL: (), Switch.SWITCH_THREAD: ("-DST",)}
#: Threads, one process for each; limits are for the largest number.
THREADS, LIMIT = (2, 4, 6), 50.0
#: Threads of the counted model, by what it switches.
MANY = {Switch.SWITCH_KERNEL: (6, 30, 60), Switch.SWITCH_THREAD: (6, 20, 30)}
ANY_LIMIT = 2.0  # CPU seconds for any number of threads
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds, and the states that were found."""

    compiling: float
    searching: float
    states: int


def main() -> int:
    """Print what was measured; 1 if a limit is missed."""
    missed = []
    loading = [spent_by([sys.executable, "-c", "import lppack.checker.counted"]) for _ in range(3)]
    say(f"CPU seconds: median (least to most of {ROUNDS}); loading our modules {middle(loading)}")
    for switch, defines in SWITCHES.items():
        for functions in (("f",), ("f", "g")):
            say(f"{switch.name}, {len(functions)} functions, SPIN with a process for each thread")
            for threads in THREADS:
                two = ("-DTWO",) if len(functions) == 2 else ()
                theirs, ours = both("threads.pml", switch, functions, threads, *defines, *two)
                whole = ratio([t.compiling + t.searching for t in theirs], ours)
                alone = ratio([t.searching for t in theirs], ours)
                say(f"    {whole:.0f} times less than all of it, {alone:.1f} than the search alone")
            # With one function SPIN's search is over before its hash table is cleared.
            asked = whole if len(functions) == 1 else alone
            if asked < LIMIT:
                missed.append(f"{switch.name}, {threads} threads: {asked:.0f} times")
        say(f"{switch.name}, SPIN on the counted model")
        for threads in MANY[switch]:
            theirs, ours = both("counted.pml", switch, ("f",), threads, *defines)
            alone = ratio([t.searching for t in theirs], ours)
            say(f"    {alone:.1f} times less than the search alone")
            if alone < 1:
                missed.append(f"{switch.name}, {threads} counted: slower than SPIN's search")
        times = []
        for _ in range(3):
            start = time.process_time()
            explore(machine(switch), (0,), Population.PRESENT)
            times.append(time.process_time() - start)
        say(f"{switch.name}, any number of threads, by abstraction: {middle(times)}")
        if statistics.median(times) > ANY_LIMIT:
            missed.append(f"{switch.name}, any number: over {ANY_LIMIT:g} s")
    for line in missed:
        say(f"MISSED: {line}")
    return 1 if missed else 0


def both(
    model: str, switch: Switch, functions: tuple[str, ...], threads: int, *defines: str
) -> tuple[list[Spent], list[float]]:
    """In turns."""
    theirs, ours, states = [], [], 0
    for _ in range(ROUNDS):
        theirs.append(spin(model, f"-DN={threads}", *defines))
        start = time.process_time()
        states = count(machine(switch, functions), (0,) * threads).states
        ours.append(time.process_time() - start)
    say(
        f"  {threads} threads: SPIN {middle([t.compiling for t in theirs])} to compile, "
        f"{middle([t.searching for t in theirs])} to search {theirs[0].states} states; "
        f"ours {middle(ours)} for {states}"
    )
    return theirs, ours


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    return statistics.median(t / o for t, o in zip(theirs, ours, strict=True))


def middle(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})"


def spin(model: str, *defines: str) -> Spent:
    """Reductions on."""
    with tempfile.TemporaryDirectory() as folder:

        def run(*argv: str) -> float:
            return spent_by(argv, folder)

        compiling = run("spin", "-a", *defines, str(MODELS / model))
        compiling += run("gcc", "-O2", "-w", "-DSAFETY", "-o", "pan", "pan.c")
        said = Path(folder) / "said"
        searching = run("/bin/sh", "-c", f"exec ./pan -E -m1000000 > {said}")
        found = re.search(r"([\d.e+]+) states, stored", said.read_text())
        assert found
        return Spent(compiling, searching, int(float(found[1])))


def spent_by(argv: Sequence[str], folder: str | None = None) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def machine(switch: Switch, functions: tuple[str, ...] = ("f",)) -> Machine:
    return Machine(
        rules=Rules(),
        leave=Leave.LEAVE_PATCHED_SET,
        switch=switch,
        method=Method.COUNT,
        functions=functions,
        depth=2,
        transform=Transform.TRANSFORM_ON_ACCESS,
        objects=1,
        watch_p=False,
        watch_kernel=False,
    )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
