# SPDX-License-Identifier: MIT
"""Fixes between two versions of Debian's kernel, drawn by a seed, and the functions that differ
between the two packages' own vmlinux and modules."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from lppack.kernel.facts import open_facts
from lppack.model import Kernel
from lppack.packages.linux_source import package_at, source_tree
from lppack.pipeline.build import open_builder
from lppack.proof.prover import Prover

SEED = 20141107
OLD, NEW = "6.1.170-3", "6.1.192-2"
_AT_ONCE = 200  # files that are compiled in one go
_ELSEWHERE = ("tools/", "samples/", "scripts/", "Documentation/", "usr/", "rust/", "LICENSES/")


def draw(kernel: Kernel, count: int, *, seed: int = SEED) -> list[str]:
    """``count`` C files that differ between the two versions, in the order of the seed.

    The compiler says which count: this kernel is built with the file, it compiles with the later
    text alone, and the object code is not what it was.
    """
    paths = sorted(changed_files())
    random.Random(seed).shuffle(paths)
    old, new = (source_tree(package_at(version)) for version in (OLD, NEW))
    found: list[str] = []
    with open_facts(kernel) as facts:
        prover = Prover(kernel, facts, open_builder("docker", lambda _line: None), print)
        for first in range(0, len(paths), _AT_ONCE):
            some = paths[first : first + _AT_ONCE]
            changes = {
                path: ((old / path).read_bytes(), (new / path).read_bytes()) for path in some
            }
            found += prover.differing(changes)
            if len(found) >= count:
                break
    return found[:count]


def changed_files() -> Iterator[str]:
    """Paths of the C files that are in both versions and differ."""
    old, new = (source_tree(package_at(version)) for version in (OLD, NEW))
    for file in sorted(new.rglob("*.c")):
        path = str(file.relative_to(new))
        other = old / path
        if path.startswith(_ELSEWHERE) or not other.is_file():
            continue
        if other.read_bytes() != file.read_bytes():
            yield path


def diff_of(path: str, folder: Path) -> Path:
    """The change of one file as a unified diff."""
    import difflib

    old, new = (source_tree(package_at(version)) / path for version in (OLD, NEW))
    lines = difflib.unified_diff(
        old.read_text(encoding="latin-1").splitlines(keepends=True),
        new.read_text(encoding="latin-1").splitlines(keepends=True),
        f"a/{path}",
        f"b/{path}",
    )
    file = folder / f"{re.sub(r'[^a-z0-9]+', '-', path.lower())}.diff"
    file.write_text("".join(lines), encoding="latin-1")
    return file
