# SPDX-License-Identifier: MIT
"""The machine that lppack runs on, as ``doctor`` sees and changes it."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lppack import proc
from lppack.clock import Clock, SystemClock
from lppack.errors import EnvironmentMissing


class MachineAccess(Protocol):
    """What ``doctor`` reads from a machine and changes on it."""

    clock: Clock

    @property
    def is_root(self) -> bool: ...

    @property
    def has_systemd(self) -> bool: ...

    def which(self, program: str) -> str | None: ...

    def library(self, name: str) -> bool: ...

    def usable(self, path: str) -> bool: ...

    def exists(self, path: str) -> bool: ...

    def free(self, path: Path) -> int: ...

    def engine(self) -> str:
        """Return the version of the Docker engine. Raise EnvironmentMissing if none answers."""

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done: ...

    def spawn(self, argv: Sequence[str], log: Path) -> int: ...

    def start_time(self, pid: int) -> int | None: ...

    def kill(self, pid: int, number: signal.Signals) -> None: ...


class ThisMachine:
    """The machine that lppack runs on."""

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()

    @property
    def is_root(self) -> bool:
        return os.geteuid() == 0

    @property
    def has_systemd(self) -> bool:
        return Path("/run/systemd/system").is_dir()  # sd_booted(3)

    def which(self, program: str) -> str | None:
        # An empty part of PATH means the current folder, like ".": not safe for programs that root
        # starts. dockerd is in /usr/sbin, which is not on every user's PATH.
        path = [*os.environ.get("PATH", "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"]
        return shutil.which(program, path=":".join(filter(os.path.isabs, path)))

    def library(self, name: str) -> bool:
        import ctypes

        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True

    def usable(self, path: str) -> bool:
        return os.access(path, os.R_OK | os.W_OK)

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def free(self, path: Path) -> int:
        there = next(folder for folder in (path, *path.parents) if folder.is_dir())
        return shutil.disk_usage(there).free

    def engine(self) -> str:
        from lppack.builders import docker_engine

        with docker_engine.connect(limit=10) as client, docker_engine.errors():
            return str(client.version()["Version"])

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        return proc.run(argv, limit=limit)

    def spawn(self, argv: Sequence[str], log: Path) -> int:
        program = self.which(argv[0])
        if program is None:
            raise EnvironmentMissing(f"program {argv[0]!r} was not found")
        with log.open("ab") as file:
            child = subprocess.Popen(
                [program, *argv[1:]],
                env=proc.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd="/",
                start_new_session=True,
            )
        proc.log("%s: started, pid %d", proc.shown(argv), child.pid)
        return child.pid

    def start_time(self, pid: int) -> int | None:
        # Wait for a child that has ended; otherwise it remains as a zombie.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return proc.start_time(pid)

    def kill(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
