# SPDX-License-Identifier: MIT
"""Fixes of one function between two versions of Debian's kernel, drawn by a seed."""

import gzip
import lzma
import random
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from lppack.csource.changes import Changes
from lppack.drafting.edit import between
from lppack.drafting.places import object_of
from lppack.kernel.config import read_config
from lppack.kernel.facts import Facts
from lppack.model import Kernel
from lppack.packages.linux_source import archive

SEED = 20141107
OLD, NEW = "6.1.170-3", "6.1.192-2"
_ELSEWHERE = ("arch/", "tools/", "samples/", "scripts/", "Documentation/", "drivers/staging/")


@dataclass(frozen=True, slots=True)
class Seeded:
    path: str
    function: str
    object: str
    subject: str  # in Debian's changelog


def draw(kernel: Kernel, newest: Kernel, facts: Facts, count: int) -> list[Seeded]:
    """``count`` files of this kernel in which one function changed and nothing else, and of whose
    fix the changelog tells; in the order in which the seed gives them."""
    config = read_config(kernel.config)
    old, new = changed_files()
    subjects = changelog(newest)
    paths = sorted(new)
    random.Random(SEED).shuffle(paths)
    found: list[Seeded] = []
    for path in paths:
        edit = between(path, (), old.get, new.get, config)
        [changes] = edit.changes
        one = one_function(changes)
        subject = one and subject_of(path, one, subjects)
        object_ = object_of(facts, changes) if subject else None
        if one and subject and object_:
            found.append(Seeded(path, one, object_, subject))
            if len(found) == count:
                break
    return found


def one_function(changes: Changes) -> str | None:
    """The one function that changed; None: there are others, or something else did."""
    names = changes.functions()
    alone = len(names) == 1 and not changes.added and not changes.removed
    return names[0] if alone and len(changes.changed) == 1 else None


def changelog(kernel: Kernel) -> list[str]:
    """Subjects of what came after ``OLD``, as the package of a later kernel has them."""
    file = kernel.root / f"usr/share/doc/linux-image-{kernel.release}/changelog.gz"
    text = gzip.decompress(file.read_bytes()).decode(errors="replace")
    later = text[: text.index(f"\nlinux ({OLD})")]
    entries = re.findall(r"^    - (.+(?:\n      .+)*)", later, re.MULTILINE)
    return [" ".join(entry.split()) for entry in entries]


def subject_of(path: str, function: str, subjects: list[str]) -> str | None:
    """The first subject that names the function, or whose prefix names the file."""
    for subject in subjects:
        if re.search(rf"\b{function}\b", subject):
            return subject
    stem = path.rpartition("/")[2].removesuffix(".c").lower()
    if "_" not in stem and "-" not in stem:
        return None  # a word that many files have
    for subject in subjects:
        words = re.split(r"[:/, ]+", subject.rpartition(": ")[0].lower())
        if stem in words or stem.replace("_", "-") in words:
            return subject
    return None


def changed_files() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Every C file that differs, before and after."""
    sums = {path: crc32(read()) for path, read in _members(OLD)}
    new = {
        path: data
        for path, read in _members(NEW)
        if path in sums and crc32(data := read()) != sums[path]
    }
    return {path: read() for path, read in _members(OLD) if path in new}, new


def _members(version: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    kept: Path = archive(f"linux-source-6.1 {version}")
    with lzma.open(kept) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
        for member in tar:
            path = member.name.partition("/")[2]
            if member.isfile() and path.endswith(".c") and not path.startswith(_ELSEWHERE):
                data = tar.extractfile(member)
                assert data is not None
                yield path, data.read
