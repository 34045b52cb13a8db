# SPDX-License-Identifier: MIT
"""Build with this machine's own compiler, without root and without a container."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import proc, store
from lppack.builders import headers, stream
from lppack.builders.protocol import ELSEWHERE, ENVIRONMENT, OnLine, compiler_of, elsewhere
from lppack.clock import Deadline
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNSAFE = re.compile(r"[^\w./+@,%~-]")  # characters that are special for make or its shell


class HostBuilder:
    name = "host"

    def __init__(self, on_line: OnLine | None = None, *, elsewhere: bool = False) -> None:
        """``elsewhere``: build with another environment and umask."""
        self._on_line = on_line
        self._elsewhere = elsewhere
        self._versions: dict[str, str] = {}

    @contextlib.contextmanager
    def open(
        self, work: Path, kernel: Kernel | None, *, sources: Path | None = None
    ) -> Iterator["HostSite"]:
        """Yield a site in ``work``; a shadow directory contains links to the kernel's headers."""
        compiler = _need_compiler(kernel)
        work = work.resolve()
        with contextlib.ExitStack() as stack:
            shadow = ""
            if kernel is not None:
                made = stack.enter_context(store.scratch()).resolve() / kernel.headers.name
                _make_shadow(headers.find(kernel), made)
                shadow = str(made)
                for path in (str(work), shadow, str(kernel.root.resolve())):
                    _check_path(path)
            tree = str(sources.resolve()) if sources is not None else ""
            _check_path(tree)
            yield HostSite(str(work), shadow, compiler, tree, self._on_line, self._elsewhere)

    def identity(self, kernel: Kernel | None = None) -> dict[str, str]:
        compiler = _need_compiler(kernel)
        if compiler not in self._versions:
            said = proc.run([compiler, "--version"], limit=30, env={"PATH": _path()}).out
            self._versions[compiler] = said.partition("\n")[0]
        return {"builder": self.name, "compiler": self._versions[compiler]}


@dataclass(frozen=True, slots=True)
class HostSite:
    work: str
    kernel: str
    compiler: str
    sources: str
    on_line: OnLine | None
    elsewhere: bool = False

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        start = time.monotonic()
        deadline = Deadline(limit)
        said: list[str] = []
        timed_out = False
        child = _start(argv, cwd=self.work, other=self.elsewhere)
        assert child.stdout is not None
        descriptor = child.stdout.fileno()
        chunks = iter(lambda: os.read(descriptor, 65536), b"")
        try:
            for line in stream.until(deadline, stream.lines(chunks)):
                said.append(line)
                if self.on_line:
                    self.on_line(line)
            child.wait(timeout=max(deadline.left, 1))
        except (TimeoutError, subprocess.TimeoutExpired):
            timed_out = True
        finally:
            proc.kill_group(child.pid)
            child.wait(timeout=10)
            child.stdout.close()
        return proc.logged(
            proc.Done(
                argv=tuple(argv),
                rc=child.returncode,
                out="".join(f"{line}\n" for line in said),
                err="",
                seconds=time.monotonic() - start,
                timed_out=timed_out,
            )
        )


def _start(argv: Sequence[str], *, cwd: str, other: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(elsewhere(argv) if other else argv),
            cwd=cwd,
            env={**(ELSEWHERE if other else ENVIRONMENT), "PATH": _path(), "PWD": cwd},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise EnvironmentMissing(
            f"program {argv[0]!r} was not found",
            hint="apt-get install make binutils libc6-dev, or use --builder docker",
        ) from error


def _path() -> str:
    return os.environ.get("PATH", _PATH)


def _need_compiler(kernel: Kernel | None) -> str:
    compiler = compiler_of(kernel)
    for program in (compiler, "make"):
        if shutil.which(program) is None:
            what = f"kernel {kernel.release} was built by {compiler}" if kernel else "to build here"
            raise EnvironmentMissing(
                f"program {program!r} was not found ({what})",
                hint=f"apt-get install {compiler} make libc6-dev, or use --builder docker",
            )
    return compiler


def _check_path(path: str) -> None:
    if match := _UNSAFE.search(path):
        raise EnvironmentMissing(
            f"kbuild cannot work in {path!r}, because of the {match[0]!r} in it",
            hint="use --builder docker, or set TMPDIR and XDG_CACHE_HOME to plain paths",
        )


def _make_shadow(found: headers.Headers, shadow: Path) -> None:
    shadow.mkdir()
    for entry in found.own.path.resolve().iterdir():
        if entry.name != "Makefile":
            (shadow / entry.name).symlink_to(entry)
    # The only absolute path in Debian's headers; all other paths are relative to its target.
    (shadow / "Makefile").write_text(f"include {found.common.path.resolve()}/Makefile\n")
