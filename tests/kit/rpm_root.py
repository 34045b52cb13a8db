# SPDX-License-Identifier: MIT
"""A root into which rpm installs, and runs the scripts of what it installs."""

import subprocess
from pathlib import Path

from lppack.model import Kernel
from tests.kit import samples
from tests.kit.debian_root import DebianRoot
from tests.kit.packages import installed

_SYSTEMCTL = '#!/bin/sh\necho "$*" >> /systemctl.log\n[ ! -e "/fails-$1" ]\n'
_MODULES = f"usr/lib/modules/{samples.RELEASE}"


class RpmRoot:
    """A root of Debian, in which systemctl only records its arguments."""

    def __init__(self, kernel: Kernel, path: Path) -> None:
        installed("rpmbuild", "rpm")
        DebianRoot(kernel, path).unpack()
        self.path = path
        (path / "usr/bin/systemctl").write_text(_SYSTEMCTL)
        (path / "usr/bin/systemctl").chmod(0o755)
        (path / "run/systemd/system").mkdir(parents=True)
        (path / _MODULES).mkdir(parents=True)
        (path / _MODULES / "modules.order").touch()  # as the kernel's own package has it

    def rpm(self, *words: str | Path, code: int = 0) -> str:
        argv = ["rpm", "--root", str(self.path), "--nodeps", *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def asked(self) -> list[str]:
        log = self.path / "systemctl.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def module(self) -> list[str]:
        """What depmod knows of the patch."""
        lines = (self.path / _MODULES / "modules.dep").read_text().splitlines()
        return [line.partition(":")[0].rpartition("/")[2] for line in lines if "lppack" in line]
