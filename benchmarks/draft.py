# SPDX-License-Identifier: MIT
"""`lppack draft`, with its proof, against the kernel's own klp-build: CPU seconds and disk.

Each is measured on a kernel that it supports: klp-build on 7.2 in a small configuration of about
1,000 objects, lppack on Debian's full 6.1. The fixes are the same three, of examples/fixes, each of
one file; the diffs are the same bytes. All processes count, those in containers too
(benchmarks/spent.py). Downloads and base images do not, nor does what the Docker engine's own
processes spend, which is shown apart: lppack starts more containers.

The *first* fix on a kernel is from unpacked packages and nothing else: klp-build's includes its
base build, lppack's unpacks the sources, decodes the kernel and indexes the sources. A *further*
fix has the base, or the cache; but lppack's cache has then no object of any fix and no module, so
each draft compiles its file before and after, and builds. klp-build's base takes minutes: it is
kept in FOLDER with its figures, and made anew where FOLDER is gone.

Run from the root of the repository: python -m benchmarks.draft [FOLDER]
"""

import os
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.klp_build import First, KlpBuild
from benchmarks.spent import Disk, Group, Spent, run, used
from lppack import __version__, resources, store
from lppack.builders.container import ContainerBuilder
from lppack.debian.kernels import resolve
from lppack.debian.linux_source import archive, package_of
from lppack.model import Kernel

RELEASE = "6.1.0-47-amd64"
#: Each of one file, and the function that it changes.
FIXES = {
    "prctl-auxv": "prctl_set_auxv",
    "ipc-next-id": "ipc_addid",
    "attach-filter": "sk_setsockopt",
}
ROUNDS = 3
FIRST_LIMIT, FURTHER_LIMIT = 30.0, 10.0  # times less CPU
#: What lppack has downloaded, below its cache.
_DOWNLOADED = ("apt", "packages", "images")


class Lppack:
    """lppack in a cache of its own, which begins with what was downloaded."""

    def __init__(self, home: Path, kernel: Kernel, group: Group) -> None:
        self.disk = Disk([home])
        self._home, self._group, self._kernel = home, group, kernel
        shutil.rmtree(home, ignore_errors=True)
        self._cache = home / "cache/lppack"
        kept = store.cache_dir()
        tar = archive(package_of(kernel))
        for place in (*(kept / name for name in _DOWNLOADED), kernel.root, tar):
            if place.is_relative_to(kept) and place.exists():
                _link(place, self._cache / place.relative_to(kept))
        self.downloaded = used([home])

    def draft(self, name: str) -> Spent:
        """Draft and prove one fix; RuntimeError if it is not proved and built."""
        out = self._home / name
        shutil.rmtree(out, ignore_errors=True)
        words = ["draft", str(_diff(name)), "--kernel", self._kernel.release, "-o", str(out)]
        argv = [sys.executable, "-m", "benchmarks.below", self._group.parent, *words]
        cache = {"XDG_CACHE_HOME": str(self._home / "cache")}
        with self.disk.watched(2):
            return run(argv, self._group, self._home / f"{name}.log", cache)

    def forget(self) -> None:
        """Remove every object and every module that a draft has left in the cache."""
        shutil.rmtree(self._cache / "modules", ignore_errors=True)
        for folder in self._cache.glob("objects/*/before"):
            shutil.rmtree(folder)


def main(folder: str = "") -> int:
    """Print what was measured; 1 if a limit is missed."""
    home = Path(folder) if folder else store.cache_dir() / "bench-draft"
    kernel = resolve(RELEASE, ())
    identity = ContainerBuilder().identity(kernel)
    with Group(f"lppack-bench-{os.getpid()}") as group:
        klp_build = KlpBuild(home / "klp-build", group)
        first = klp_build.first([(name, of, _diff(name)) for name, of in FIXES.items()])
        say(f"klp-build of {first.source}, {first.compiler}, {first.objects} objects")
        say(f"lppack {__version__} on {kernel.release} {kernel.package}, {identity['compiler']}")
        lppack = Lppack(home / "lppack", kernel, group)
        ours = lppack.draft(next(iter(FIXES)))
        say(f"first fix, CPU s: klp-build {first.seconds:.0f} ({first.day}); lppack {parts(ours)}")
        theirs: dict[str, list[Spent]] = {name: [] for name in FIXES}
        further: dict[str, list[Spent]] = {name: [] for name in FIXES}
        for _ in range(ROUNDS):
            for name, function in FIXES.items():
                lppack.forget()
                further[name].append(lppack.draft(name))
                theirs[name].append(klp_build.further(name, function))
        most = max(first.disk, klp_build.disk.most)
        say(f"further fixes, CPU s: median (least to most of {ROUNDS})")
        for name in FIXES:
            say(line(name, theirs[name], further[name]))
        say(f"disk at most: klp-build {most / 1e9:.1f} GB, ", end="")
        say(f"lppack {(lppack.disk.most - lppack.downloaded) / 1e9:.1f} GB and ", end="")
        say(f"{lppack.downloaded / 1e9:.1f} GB of downloads")
    return verdict(first, ours, {name: ratio(theirs[name], further[name]) for name in FIXES})


def verdict(first: First, ours: Spent, ratios: Mapping[str, float]) -> int:
    """Print whether each limit holds; 1 if one is missed."""
    least = min(ratios.values())
    held = True
    for what, value, limit in (
        ("the first fix", first.seconds / ours.total, FIRST_LIMIT),
        ("each further fix", least, FURTHER_LIMIT),
    ):
        word = "ok" if value >= limit else "MISSED"
        say(f"  {what}: {value:.1f} times less CPU, at least {limit:.0f}: {word}")
        held = held and value >= limit
    return 0 if held else 1


def line(name: str, theirs: Sequence[Spent], ours: Sequence[Spent]) -> str:
    engine = f"the engine's own {middle([t.engine for t in theirs])} and "
    return (
        f"  {name:14} klp-build {middle([t.total for t in theirs])}, lppack "
        f"{middle([o.total for o in ours])}: {ratio(theirs, ours):.1f} times less; "
        f"{engine}{middle([o.engine for o in ours])}"
    )


def ratio(theirs: Sequence[Spent], ours: Sequence[Spent]) -> float:
    """Return the median of the ratios of what was measured one after the other."""
    return statistics.median(t.total / o.total for t, o in zip(theirs, ours, strict=True))


def middle(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def parts(spent: Spent) -> str:
    return f"{spent.total:.1f} ({spent.process:.1f} and {spent.containers:.1f} in containers)"


def _diff(name: str) -> Path:
    return resources.examples() / f"fixes/{name}/upstream.diff"


def _link(source: Path, place: Path) -> None:
    """Copy a file or a folder; without its bytes where the disk is the same."""

    def copy(one: str, other: str) -> None:
        try:
            os.link(one, other, follow_symlinks=False)
        except OSError:
            shutil.copy2(one, other)

    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, symlinks=True, copy_function=copy)
    else:
        copy(str(source), str(place))


def say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
