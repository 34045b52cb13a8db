# SPDX-License-Identifier: MIT
"""How long the facts of a kernel take: first, from the cache, and for all its modules; and how
many manifests are validated in a second.

Run from the root of the repository: python -m benchmarks.facts [RELEASE or pattern]
"""

import itertools
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lppack import pipeline, resources
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.kernel.facts import open_facts
from lppack.model import Kernel

DECODE_LIMIT = 6.0  # CPU seconds
COLD_LIMIT = 0.4  # seconds
RATE_LIMIT = 200  # manifests a CPU second
DECODES, COLD, RATES, MANIFESTS = 3, 10, 3, 1000


def main(pattern: str = releases_of()) -> int:
    """Print what was measured; 1 if a limit is passed."""
    kernel = resolve(pattern, ())
    seed = int(os.environ.get("LPPACK_SEED") or random.SystemRandom().randrange(1 << 32))
    say(f"{kernel.release} {kernel.version}, LPPACK_SEED={seed}")
    decode = [first_decode(kernel) for _ in range(DECODES)]
    row("first decode of vmlinux, CPU s", decode, DECODE_LIMIT)
    cold = [cold_process(kernel, name) for name in functions(kernel, random.Random(seed))]
    row("a cold `lppack facts` from the cache, s", cold, COLD_LIMIT)
    with empty_cache(), open_facts(kernel) as facts:
        row("first index of all modules, CPU s", [cpu(lambda: facts.modules_with("no"))], None)
    rates = [manifests_a_second() for _ in range(RATES)]
    rate = statistics.median(rates)
    say(
        f"  manifests a CPU second, {MANIFESTS} in one process: median {rate:.0f} "
        f"({min(rates):.0f} to {max(rates):.0f}, {RATES} times), at least {RATE_LIMIT}: "
        f"{'ok' if rate >= RATE_LIMIT else 'MISSED'}"
    )
    in_time = statistics.median(decode) <= DECODE_LIMIT and statistics.median(cold) <= COLD_LIMIT
    return 0 if in_time and rate >= RATE_LIMIT else 1


def manifests_a_second() -> float:
    """Return the examples in turn, in folders of their own, each with another name and other C."""
    examples = sorted(file.parent for file in resources.examples().glob("*/manifest.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        patches = [Path(folder) / f"p{number}" for number in range(MANIFESTS)]
        for patch, example in zip(patches, itertools.cycle(examples), strict=False):
            shutil.copytree(example, patch)
            manifest = patch / "manifest.yaml"
            name = f"name: {patch.name}"
            manifest.write_text(re.sub(r"^name: .*$", name, manifest.read_text(), flags=re.M))
            for source in patch.glob("*.c"):
                source.write_text(f"/* {patch.name} */\n{source.read_text()}")
        pipeline.check_patch(patches[0], ())
        seconds = cpu(lambda: [pipeline.check_patch(patch, ()) for patch in patches])
    return MANIFESTS / seconds


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
