# SPDX-License-Identifier: MIT
"""The kernel's own klp-build, in a container with Debian 13's compiler and the sources of 7.2.

Three fixes of examples/fixes are in 7.2 already: they are taken back in the unpacked tree, and
klp-build is given the very diffs that lppack is given for 6.1.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.spent import Disk, Group, Spent, run
from lppack import proc
from lppack.builders import docker_engine
from lppack.builders.image import patient
from lppack.builders.protocol import ENVIRONMENT
from lppack.debian.apt import Apt
from lppack.errors import EnvironmentMissing
from lppack.kernel.elf64 import Elf

_HERE = Path(__file__).parent / "klp"
CONFIG = _HERE / "config"
_SUITES = ("trixie", "trixie-backports")  # the second has the sources of 7.2
_SOURCE = "linux-source-7.2"
#: libxxhash-dev makes objtool know `klp`; patchutils has recountdiff.
_PACKAGES = (
    *("gcc", "make", "libc6-dev", "libelf-dev", "libssl-dev", "libxxhash-dev", "flex", "bison"),
    *("bc", "cpio", "diffutils", "gawk", "kmod", "patch", "patchutils", "perl", "python3-minimal"),
    *("xz-utils", _SOURCE),
)
_BUILD = ("nice", "-n", "10", "scripts/livepatch/klp-build")


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """The first fix on a kernel, with its base: measured once, kept beside the tree."""

    seconds: float  # CPU: unpacking, configuring, both builds, the module
    objects: int  # C files that were compiled for the base
    disk: int  # bytes, the most at any time
    day: str
    source: str
    compiler: str


class KlpBuild:
    """klp-build and its tree, in ``home``, which is kept between runs."""

    def __init__(self, home: Path, group: Group) -> None:
        self.home = home
        self.disk = Disk([home])
        self._group = group
        self._image = _image(home)

    def first(self, fixes: Sequence[tuple[str, str, Path]]) -> First:
        """Build the base and the first of ``fixes`` (name, function, diff), unless kept."""
        made_of = [CONFIG, _HERE / "prepare.sh", *(diff for _, _, diff in fixes)]
        parts = b"\0".join([self._image.encode(), *(file.read_bytes() for file in made_of)])
        kept = self.home / f"first-{hashlib.sha256(parts).hexdigest()[:12]}.json"
        if kept.is_file():
            return First(**json.loads(kept.read_text()))
        shutil.rmtree(self.home / "tree", ignore_errors=True)
        (self.home / "fixes").mkdir(parents=True, exist_ok=True)
        for name, _, diff in fixes:
            shutil.copyfile(diff, self.home / f"fixes/{name}.patch")
        for name in ("config", "prepare.sh"):
            shutil.copyfile(_HERE / name, self.home / name)
        with self.disk.watched(60):
            archive = f"/usr/src/{_SOURCE}.tar.xz"
            spent = self._run(["sh", "prepare.sh", archive], "prepare", folder="").total
            spent += self._patch(*fixes[0][:2], "-T").total
        said = "dpkg-query -W " + _SOURCE + "; gcc --version"
        self._run(["sh", "-c", said], "versions", folder="")
        source, compiler = (self.home / "versions.log").read_text().splitlines()[:2]
        found = First(
            seconds=spent,
            objects=compiled(self.home / "tree"),
            disk=self.disk.most,
            day=time.strftime("%Y-%m-%d"),
            source=" ".join(source.split()),
            compiler=compiler,
        )
        kept.write_text(json.dumps(asdict(found)))
        return found

    def further(self, name: str, function: str) -> Spent:
        """Build one fix on the base that was kept."""
        with self.disk.watched(5):
            return self._patch(name, function, "-S", "2")

    def _patch(self, name: str, function: str, *words: str) -> Spent:
        ko = self.home / f"tree/klp-{name}.ko"
        ko.unlink(missing_ok=True)
        argv = [*_BUILD, *words, "-o", ko.name, f"../fixes/{name}.patch"]
        spent = self._run(argv, name, folder="tree")
        if not any(s.name == function for s in Elf(ko.read_bytes(), ko.name).symbols()):
            raise RuntimeError(f"{ko} does not replace {function}")
        return spent

    def _run(self, argv: Sequence[str], log: str, *, folder: str) -> Spent:
        whole = ["docker", "run", "--rm", "--network", "none"]
        # The kernel's banner holds the container's name: klp-build sees changed data otherwise.
        whole += [f"--env={name}={value}" for name, value in ENVIRONMENT.items()]
        whole += ["--cgroup-parent", self._group.parent, "-v", f"{self.home.resolve()}:/klp"]
        whole += ["-w", f"/klp/{folder}".rstrip("/"), self._image, *argv]
        spent = run(whole, self._group, self.home / f"{log}.log")
        # The client that only waits is no part of klp-build.
        return Spent(process=0.0, containers=spent.containers, engine=spent.engine)


def compiled(tree: Path) -> int:
    """Count the objects that kbuild made from C files, without the programs of the build."""
    programs = (tree / "tools", tree / "scripts")
    return sum(
        re.search(rb"^source_\S+ := \S+\.c$", file.read_bytes(), re.M) is not None
        for file in tree.rglob(".*.o.cmd")
        if not any(file.is_relative_to(folder) for folder in programs)
    )


def _image(home: Path) -> str:
    """Return the image with the compiler, made by mmdebstrap once."""
    home.mkdir(parents=True, exist_ok=True)
    sources = [Apt(suite) for suite in _SUITES]
    lists = [str(file) for source in sources for file in source.source_files()]
    options = [f"--aptopt={option}" for option in sources[0].options()]
    argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", *options]
    tag = hashlib.sha256(repr((argv, [source.texts for source in sources])).encode()).hexdigest()[
        :12
    ]
    name = f"lppack-bench-klp:{tag}"
    with docker_engine.connect() as client:
        if client.images.list(name):
            return name
        tar = home / "root.tar"
        done = proc.run([*argv, _SUITES[0], str(tar), *lists], limit=1800)
        if not done.ok:
            raise EnvironmentMissing(f"no image for klp-build: {done.summary(tail=8)}")
        with docker_engine.errors(), patient(client, 600):
            repository, _, label = name.partition(":")
            client.api.import_image_from_file(str(tar), repository=repository, tag=label)
        tar.unlink()
    return name
