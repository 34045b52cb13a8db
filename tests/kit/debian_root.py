# SPDX-License-Identifier: MIT
"""A Debian root in a folder, into which dpkg installs packages; it may become a guest's."""

import re
import subprocess
from pathlib import Path

from lppack import store
from lppack.debian.apt import Apt
from lppack.model import Kernel

_BASE = ("python3", "kmod", "procps")


class DebianRoot:
    """The one in ``path``; with ``more`` packages of Debian."""

    def __init__(self, kernel: Kernel, path: Path, *more: str) -> None:
        self.path = path
        self.packages = (*_BASE, *more)
        self.apt = Apt(kernel.suite)

    def unpack(self) -> None:
        """Unpack what was made once with mmdebstrap from this machine's sources."""
        words = "-".join(self.packages)
        tar = store.cache_dir() / "images" / f"debian-{self.apt.release}-{words}.tar"
        if not tar.exists():
            tar.parent.mkdir(parents=True, exist_ok=True)
            draft = tar.with_suffix(".draft.tar")
            options = [f"--aptopt={option}" for option in self.apt.options()]
            include = f"--include={','.join(self.packages)}"
            command = ["mmdebstrap", "--variant=minbase", include, *options, self.apt.release]
            _run(*command, draft, *self.apt.source_files())
            draft.rename(tar)
        self.path.mkdir()
        _run("tar", "-xf", tar, "-C", self.path)

    def run(self, *words: str) -> str:
        return _run("chroot", self.path, *words)

    def install(self, *packages: Path | str) -> None:
        """Install files, or what Debian has of a name, with what they depend on."""
        folder = self.path / "tmp/debs"
        folder.mkdir()
        files = [package for package in packages if isinstance(package, Path)]
        wanted = [package for package in packages if isinstance(package, str)]
        for file in files:
            (folder / file.name).write_bytes(file.read_bytes())
            depends = _run("dpkg-deb", "-f", file, "Depends").strip()
            wanted += [name for name in depends.split(", ") if name]
        self._fetch(wanted, folder)
        names = sorted(f"/tmp/debs/{file.name}" for file in folder.iterdir())
        self.run("dpkg", "-i", *names)
        self.run("rm", "-r", "/tmp/debs")

    def _fetch(self, wanted: list[str], folder: Path) -> None:
        seen = set(self.run("dpkg-query", "-Wf", "${Package}\n").split())
        while wanted:
            name = re.split(r"[ :]", wanted.pop())[0]
            version = self.apt.candidate(name)
            if name not in seen and version is not None:
                self.apt.download(name, version, folder)
                wanted += self.apt.depends(name, version)
            seen.add(name)


def _run(*argv: str | Path, limit: float = 300.0) -> str:
    done = subprocess.run(
        [str(word) for word in argv],
        capture_output=True,
        text=True,
        timeout=limit,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
