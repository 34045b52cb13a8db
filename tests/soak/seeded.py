# SPDX-License-Identifier: MIT
"""Fixes between two versions of Debian's kernel, drawn by a seed."""

import random
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from lppack.debian.linux_source import package_at, source_tree
from lppack.kernel.facts import open_facts
from lppack.model import Kernel
from lppack.pipeline.build import open_builder
from lppack.proof.compare import UnitDifference
from lppack.proof.kbuild import Unit
from lppack.proof.prover import Prover
from tests.soak.oracle import base

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
            differ = {one.unit.path for one in prover.differences(changes) if _differs(one)}
            found += [path for path in some if path in differ]
            if len(found) >= count:
                break
    return found[:count]


def _differs(one: UnitDifference) -> bool:
    return bool(one.before and one.after and not one.identical)


def functions_of(kernel: Kernel, paths: Collection[str]) -> dict[Unit, set[str]]:
    """Name the functions of each file, as compiled for the kernel."""
    with open_facts(kernel) as facts:
        prover = Prover(kernel, facts, open_builder("docker", lambda _line: None), print)
        made = prover.objects(paths)
    return {unit: {base(name) for name in one.functions} for unit, one in made.items() if one}


def by_the_file(kernel: Kernel, paths: Collection[str]) -> dict[str, set[str]]:
    """Which functions of each file differ if just this file is as in the version before: in the
    sources of the later ``kernel``, with its headers, by its compiler. What differs between the
    packages and is not among these differs because of something that the file includes."""
    old, new = (source_tree(package_at(version)) for version in (OLD, NEW))
    changes = {path: ((new / path).read_bytes(), (old / path).read_bytes()) for path in paths}
    found: dict[str, set[str]] = {path: set() for path in paths}
    with open_facts(kernel) as facts:
        prover = Prover(kernel, facts, open_builder("docker", lambda _line: None), print)
        for one in prover.differences(changes):
            if one.before is None or one.after is None:
                # The file as it was does not compile there: nothing is explained.
                found[one.unit.path] |= set(one.before.functions if one.before else ())
            found[one.unit.path] |= {*one.changed, *one.added, *one.removed}
    return {path: {base(name) for name in names} for path, names in found.items()}


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
