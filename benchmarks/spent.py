# SPDX-License-Identifier: MIT
"""CPU seconds of a command and of its containers, and the disk that it takes meanwhile.

The processes of a container are children of the Docker engine, so the command's own resource usage
does not hold them. Each container is therefore started below a control group that is made here,
stays when the container is gone, and has counted every process of it to the last tick. What the
engine itself spends (dockerd, containerd) is counted apart, for all its users: on a machine where
others use it too it is too much.
"""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_ENGINE = ("dockerd", "containerd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """CPU seconds."""

    process: float
    containers: float
    engine: float  # not part of ``total``

    @property
    def total(self) -> float:
        return self.process + self.containers


class Group:
    """A control group of one name, of version 1 or 2."""

    def __init__(self, name: str, top: Path = _CGROUPS) -> None:
        self.parent = f"/{name}"  # as the Docker engine takes it
        second = (top / "cgroup.controllers").is_file()
        self._folder = (top if second else top / "cpuacct") / name

    def __enter__(self) -> "Group":
        self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def seconds(self) -> float:
        """All that was spent in it, by processes that are gone as well."""
        first = self._folder / "cpuacct.usage"
        if first.is_file():
            return int(first.read_text()) / 1e9
        pairs = (line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
        return int({name: value for name, value in pairs}["usage_usec"]) / 1e6


def engine_seconds(proc: Path = Path("/proc")) -> float:
    """Return what the Docker engine's processes, and their children that ended, have spent."""
    ticks = 0
    for folder in proc.iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                # proc(5): after the name in brackets, utime to cstime are fields 14 to 17.
                name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
                if name in _ENGINE:
                    ticks += sum(map(int, rest.split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def run(argv: Sequence[str], group: Group, log: Path, env: dict[str, str] | None = None) -> Spent:
    """Run a command to its end; its output goes to ``log``. RuntimeError if it fails."""
    containers, engine = group.seconds(), engine_seconds()
    with log.open("wb") as out:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(env or {})},
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"{' '.join(argv)}: exit code {child.returncode}\n{tail}")
    return Spent(
        process=usage.ru_utime + usage.ru_stime,
        containers=group.seconds() - containers,
        engine=engine_seconds() - engine,
    )


@dataclass
class Disk:
    """The most that some folders have held, looked at every few seconds."""

    folders: Sequence[Path]
    most: int = 0  # bytes
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watched(self, every: float) -> Iterator[None]:
        self._ended.clear()
        thread = threading.Thread(target=self._watch, args=(every,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self, every: float) -> None:
        while True:
            self.most = max(self.most, used(self.folders))
            if self._ended.wait(every):
                break
        self.most = max(self.most, used(self.folders))


def used(folders: Sequence[Path]) -> int:
    """Bytes of disk; what is gone while it is counted is not an error."""
    argv = ["nice", "du", "-sxck", *(str(folder) for folder in folders if folder.exists())]
    done = subprocess.run(argv, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1].split()[0]) * 1024
