# SPDX-License-Identifier: MIT
"""CPU time of short commands, as a multiple of what the bare interpreter takes.

Run from the root of the repository: python -m benchmarks.startup [TIMES]
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

TIMES = 25
BARE = (sys.executable, "-c", "pass")
_LPPACK = (sys.executable, "-m", "lppack")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "lppack --version": (*_LPPACK, "--version"),
    "lppack validate examples/proc-cmdline": (*_LPPACK, "validate", "examples/proc-cmdline"),
    "lppack validate examples/conn-limit": (*_LPPACK, "validate", "examples/conn-limit"),
}
LIMITS: Mapping[str, float] = {
    "lppack --version": 4.0,
    "lppack validate examples/proc-cmdline": 10.0,
    "lppack validate examples/conn-limit": 10.0,
}


def main(times: str = str(TIMES)) -> int:
    """Print the ratios; 1 if a limit is passed. The commands run in turns, so load hits all."""
    spent: dict[str, list[float]] = {name: [] for name in ("bare", *COMMANDS)}
    with tempfile.TemporaryDirectory() as folder:
        # With bytecode, as an installed lppack has it, whatever the caller's environment says.
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = folder
        for command in (BARE, *COMMANDS.values()):
            cpu(command, env)
        for _ in range(int(times)):
            spent["bare"].append(cpu(BARE, env))
            for name, command in COMMANDS.items():
                spent[name].append(cpu(command, env))
    bare = statistics.median(spent["bare"])
    say(f"python -c pass: median {bare * 1000:.1f} ms of CPU, {times} times each, in turns")
    missed = 0
    for name, limit in LIMITS.items():
        line, held = verdict(name, spent[name], bare, limit)
        say(line)
        missed += not held
    return 1 if missed else 0


def verdict(name: str, seconds: Sequence[float], bare: float, limit: float) -> tuple[str, bool]:
    """Return the line of one command, and whether its median is within the limit."""
    ratio = statistics.median(seconds) / bare
    spread = f"{min(seconds) / bare:.1f} to {max(seconds) / bare:.1f}"
    held = ratio <= limit
    return f"  {name}: {ratio:.1f} times ({spread}), limit {limit:g}: " + (
        "ok" if held else "PASSED"
    ), held


def cpu(command: Sequence[str], env: Mapping[str, str]) -> float:
    """CPU seconds, user and system, of one run. CalledProcessError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=env, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
