# SPDX-License-Identifier: MIT
"""Programs of Debian packages, with the libraries that they load: a root that is small."""

import hashlib
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from lppack import entries, proc, store
from lppack.debian.apt import Apt
from lppack.errors import EnvironmentMissing

_LIMIT = 600.0
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "lib")


def programs_root(packages: Sequence[str], programs: Sequence[str], suite: str) -> Path:
    """Return a folder with ``programs`` (paths without a leading slash) of ``packages`` as
    ``suite`` has them, made once for their versions. Raise EnvironmentMissing."""
    apt = Apt(suite)
    versions = {name: apt.candidate(name) for name in packages}
    if absent := [name for name, version in versions.items() if version is None]:
        raise EnvironmentMissing(
            f"{suite} has no package {absent[0]}", hint="run: apt-get update, or: lppack doctor"
        )
    key = hashlib.sha256(repr((suite, versions, programs)).encode()).hexdigest()[:16]
    place = store.cache_dir() / "programs" / f"{packages[0]}-{key}"
    return entries.ensure(place, lambda draft: _fill(draft, packages, programs, apt, suite))


def _fill(
    draft: Path, packages: Sequence[str], programs: Sequence[str], apt: Apt, suite: str
) -> None:
    with store.temporary("programs-") as folder:
        tar = folder / "root.tar"
        done = proc.run(
            [
                *("mmdebstrap", "--variant=extract", f"--include={','.join(packages)}"),
                *(f"--aptopt={option}" for option in apt.options()),
                *(suite, str(tar), *map(str, apt.source_files())),
            ],
            limit=_LIMIT,
            env={"TMPDIR": tempfile.gettempdir()},
        )
        if not done.ok:
            raise EnvironmentMissing(
                f"{', '.join(packages)} cannot be fetched: {done.summary(tail=8)}",
                hint="check the network, and: lppack doctor --fix",
            )
        root = folder / "root"
        root.mkdir()
        with tarfile.open(tar) as packed:
            packed.extractall(
                root, [one for one in packed if not one.isdev()], filter="fully_trusted"
            )
        for name in _closure(root, programs):
            out = draft / name
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(_found(root, name).read_bytes())
            out.chmod(0o755)


def _closure(root: Path, programs: Sequence[str]) -> Iterator[str]:
    """Yield ``programs``, their interpreter, and all that they need, each once."""
    todo, seen = list(programs), set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        with _found(root, name).open("rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments("PT_INTERP"):
                assert isinstance(segment, InterpSegment)
                todo.append(str(PurePosixPath(segment.get_interp_name()).relative_to("/")))
            for section in elf.iter_sections("SHT_DYNAMIC"):
                assert isinstance(section, DynamicSection)
                needed = [str(vars(tag)["needed"]) for tag in section.iter_tags("DT_NEEDED")]
                todo += [_library(root, one) for one in needed if not one.startswith("ld-linux")]


def _found(root: Path, name: str) -> Path:
    """Return the file ``name``, which a package has with or without usr/ before it."""
    for one in (name, f"usr/{name}", name.removeprefix("usr/")):
        if (root / one).is_file():
            return root / one
    raise EnvironmentMissing(f"no package has the file {name}")


def _library(root: Path, name: str) -> str:
    for folder in _LIBRARIES:
        if (root / folder / name).is_file():
            return f"{folder}/{name}"
    raise EnvironmentMissing(f"no package has the library {name}")
