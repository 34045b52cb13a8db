# SPDX-License-Identifier: MIT
"""Build: `lppack build` against raw `make`, and a matrix against a shell loop of it: wall seconds.

Raw is `make -C HEADERS M=COPY modules` over the sources that `lppack generate` writes, with the
copy and its removal; ours is the whole command, from the start of Python to the bundle, with the
same compiler on this machine (--builder host) or in a container. Both have the kernels, and neither
anything that was built before; ours has what lppack knows of a kernel and its compiler after the
first build for it (facts, probes), and "first" is that first build. All is measured in turns, seven
times. CPU seconds are those of the command and its children, to which a container does not belong.

Run from the root of the repository: python -m benchmarks.build [ROUNDS]
"""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lppack import store
from lppack.builders.host import HostBuilder, HostSite
from lppack.builders.protocol import kbuild_argv
from lppack.debian.kernels import resolve
from lppack.model import Kernel

EXAMPLE = Path("examples/saved-cmdline")
#: Of one suite, whose compiler this machine has.
KERNELS = ("6.1.0-47-amd64", "6.1.0-56-amd64", "6.1.0-57-amd64")
PATCHES = 6
ROUNDS = 7
PAIR_LIMIT, MATRIX_LIMIT = 1.0, 0.35
#: What both have before they begin.
_SHARED = ("apt", "facts", "images", "kernels", "packages", "probes", "sources")


def main(rounds: str = str(ROUNDS)) -> int:
    """Print what was measured; 1 if a limit is missed."""
    count, missed = int(rounds), 0
    with tempfile.TemporaryDirectory(prefix="lppack-bench-") as folder:
        top = Path(folder)
        patches = copies(top / "patches", PATCHES)
        with contextlib.ExitStack() as stack:
            raws = [stack.enter_context(raw(patches, name, top)) for name in KERNELS]
            one: dict[str, Callable[[], None]] = {"raw": lambda: raws[0](1)}
            many: dict[str, Callable[[], None]] = {"raw": lambda: shell_loop(raws)}
            for builder in ("host", "docker"):
                one[builder] = ours(top, patches[:1], KERNELS[:1], builder)
                many[builder] = ours(top, patches, KERNELS, builder)
            one["host, first"] = ours(top, patches[:1], KERNELS[:1], "host", first=True)
            (store.cache_dir() / "probes").mkdir(exist_ok=True)
            for way in (*one.values(), *many.values()):
                way()  # so that all is known
            say(f"one pair, wall seconds: median (least to most of {count})")
            missed += report(timed(one, count), PAIR_LIMIT)
            say(f"{PATCHES} patches for {len(KERNELS)} kernels")
            missed += report(timed(many, count), MATRIX_LIMIT)
    return 1 if missed else 0


def copies(folder: Path, count: int) -> list[Path]:
    """Write patches that differ in their name alone."""
    for number in range(count):
        shutil.copytree(EXAMPLE, folder / f"copy-{number}")
        manifest = folder / f"copy-{number}/manifest.yaml"
        text = manifest.read_text().replace(f"name: {EXAMPLE.name}", f"name: copy-{number}", 1)
        manifest.write_text(text)
    return sorted(folder.iterdir())


@contextlib.contextmanager
def raw(patches: Sequence[Path], name: str, top: Path) -> Iterator[Callable[[int], None]]:
    """Yield a function that makes the first patches for one kernel, one after the other."""
    kernel: Kernel = resolve(name, ())
    trees = []
    for patch in patches:
        tree = top / f"sources-{name}-{patch.name}"
        words = ["generate", str(patch), "--kernel", name, "-o", str(tree)]
        subprocess.run([sys.executable, "-m", "lppack", *words], check=True, capture_output=True)
        trees.append(tree)
    (top / "none").mkdir(exist_ok=True)
    with HostBuilder().open(top / "none", kernel) as site:

        def make(count: int) -> None:
            for tree in trees[:count]:
                copy = top / f"make-{tree.name}"
                shutil.copytree(tree, copy)
                there = HostSite(str(copy), site.kernel, site.compiler, "", None)
                argv = [*kbuild_argv(there, kernel), "modules"]
                subprocess.run(argv, check=True, capture_output=True)
                shutil.rmtree(copy)

        yield make


def shell_loop(raws: Sequence[Callable[[int], None]]) -> None:
    """Make every patch for every kernel, one after the other."""
    for make in raws:
        make(PATCHES)


def ours(
    top: Path,
    patches: Sequence[Path],
    kernels: Sequence[str],
    builder: str,
    *,
    first: bool = False,
) -> Callable[[], None]:
    """Return a function that runs the command on a cache with nothing built in it."""
    shared = [kind for kind in _SHARED if kind != "probes" or not first]

    def build() -> None:
        home = Path(tempfile.mkdtemp(dir=top))
        (home / "lppack").mkdir()
        for kind in shared:
            (home / "lppack" / kind).symlink_to(store.cache_dir() / kind)
        words = [word for kernel in kernels for word in ("--kernel", kernel)]
        words += ["--builder", builder, "-o", str(home / "out")]
        subprocess.run(
            [sys.executable, "-m", "lppack", "build", *map(str, patches), *words],
            check=True,
            capture_output=True,
            env={**os.environ, "XDG_CACHE_HOME": str(home)},
        )
        shutil.rmtree(home)

    return build


@dataclass(frozen=True, slots=True)
class Times:
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def timed(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, Times]:
    """Measure each way in turns."""
    found: dict[str, Times] = {name: Times() for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start, spent = time.monotonic(), _cpu()
            way()
            found[name].wall.append(time.monotonic() - start)
            found[name].cpu.append(_cpu() - spent)
    return found


def _cpu() -> float:
    """Return the seconds of this process's children, and of theirs."""
    spent = os.times()
    return spent.children_user + spent.children_system


def report(found: dict[str, Times], limit: float) -> int:
    """Print medians and the ratio to raw; return how many ways are over the limit."""
    raw, over = statistics.median(found["raw"].wall), 0
    raw_cpu = statistics.median(found["raw"].cpu)
    for name, times in found.items():
        middle, cpu = statistics.median(times.wall), statistics.median(times.cpu)
        line = f"  {name}: {middle:.2f} ({min(times.wall):.2f} to {max(times.wall):.2f})"
        if name != "raw":
            ratio = middle / raw
            over += ratio > limit
            line += f", {ratio:.2f} times raw, limit {limit:g}: "
            line += "MISSED" if ratio > limit else "held"
        line += f"; CPU {cpu:.2f}"
        say(line if name == "raw" else f"{line}, {cpu / raw_cpu:.2f} times")
    return over


def say(line: str) -> None:
    """Print at once, also into a file."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
