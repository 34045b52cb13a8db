# SPDX-License-Identifier: MIT
"""How long the facts of a kernel take: first, from the cache, and for all its modules.

Run from the root of the repository: python -m benchmarks.facts [RELEASE or pattern]
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lppack.kernel.facts import open_facts
from lppack.model import Kernel
from lppack.packages.kernels import resolve

DECODE_LIMIT = 6.0  # CPU seconds
COLD_LIMIT = 0.4  # seconds
DECODES, COLD = 3, 10


def main(pattern: str = "6.1.0-*-amd64") -> int:
    """Prints what was measured; 1 if a limit is passed."""
    kernel = resolve(pattern, ())
    seed = int(os.environ.get("LPPACK_SEED") or random.SystemRandom().randrange(1 << 32))
    say(f"{kernel.release} {kernel.version}, LPPACK_SEED={seed}")
    decode = [first_decode(kernel) for _ in range(DECODES)]
    row("first decode of vmlinux, CPU s", decode, DECODE_LIMIT)
    cold = [cold_process(kernel, name) for name in functions(kernel, random.Random(seed))]
    row("a cold `lppack facts` from the cache, s", cold, COLD_LIMIT)
    with empty_cache(), open_facts(kernel) as facts:
        row("first index of all modules, CPU s", [cpu(lambda: facts.modules_with("no"))], None)
    in_time = statistics.median(decode) <= DECODE_LIMIT and statistics.median(cold) <= COLD_LIMIT
    return 0 if in_time else 1


def first_decode(kernel: Kernel) -> float:
    with empty_cache():
        return cpu(lambda: open_facts(kernel).close())


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def functions(kernel: Kernel, dice: random.Random) -> list[str]:
    """Functions of the kernel, drawn by chance; the cache is warm afterwards."""
    with open_facts(kernel) as facts:
        names = sorted({symbol.name for symbol in facts.symbols() if symbol.type in "tT"})
    return dice.sample(names, COLD)


def cold_process(kernel: Kernel, name: str) -> float:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "lppack", "facts", name, "--kernel", kernel.release],
        capture_output=True,
        timeout=60,
    )
    seconds = time.monotonic() - start
    assert done.returncode in (0, 9), done.stderr.decode()
    return seconds


@contextmanager
def empty_cache() -> Iterator[None]:
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            yield
        finally:
            del os.environ["XDG_CACHE_HOME"]
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def row(what: str, values: list[float], limit: float | None) -> None:
    median = statistics.median(values)
    spread = f"{min(values):.2f} to {max(values):.2f}, {len(values)} times"
    held = "" if limit is None else f", limit {limit}: {'ok' if median <= limit else 'PASSED'}"
    say(f"  {what}: median {median:.2f} ({spread}){held}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
