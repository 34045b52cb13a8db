# SPDX-License-Identifier: MIT
"""The one way to run a program on this machine."""

import contextlib
import logging
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack.errors import EnvironmentMissing

#: Where the progress of something long goes, line by line.
Say = Callable[[str], None]

#: Programs that were run, for -v and LPPACK_DEBUG; lppack/cli/log.py prints it.
LOG = logging.getLogger("lppack.proc")
#: A password in a URL; a PIN in a PKCS #11 URI (RFC 7512); anything that is called so.
_SECRET = re.compile(
    r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)"
    r"|(?i:(?<=pin-value=)|(?<=password=)|(?<=passwd=)|(?<=passphrase=)|(?<=secret=)|(?<=token=))"
    r"[^&;\s]+"
)

#: What a child inherits; everything else is named by the caller.
_INHERITED = ("PATH", "HOME", "LANG", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished program."""

    argv: tuple[str, ...]
    rc: int  # negative: killed by that signal
    out: str
    err: str
    seconds: float
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.rc == 0 and not self.timed_out

    def summary(self, *, tail: int = 10) -> str:
        """Return the command ready to paste, how it ended, and the last lines that it printed."""
        how = f"no answer in {self.seconds:.0f} s" if self.timed_out else f"exit code {self.rc}"
        lines = (self.out + self.err).rstrip().splitlines()[-tail:]
        return "\n".join([f"{shown(self.argv)}: {how}", *(f"  {line}" for line in lines)])


def shown(argv: Sequence[str]) -> str:
    """Return the command ready to paste, without what is secret in it."""
    return shlex.join(_SECRET.sub("***", word) for word in argv)


def logged(done: Done) -> Done:
    """Log a program that has ended, with its seconds; never its input, output or environment."""
    how = "cut off" if done.timed_out else f"exit code {done.rc}"
    LOG.info("%s: %s, %.2f s", shown(done.argv), how, done.seconds)
    return done


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a child process sees: a short list of ours, C locale, and ``extra``."""
    base = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**base, "LC_ALL": "C.UTF-8", **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    limit: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    data: bytes | None = None,
) -> Done:
    """Run ``argv`` with stdin closed (or ``data``) and kill its whole group after ``limit`` s.

    Raise EnvironmentMissing if there is no such program.
    """
    start = time.monotonic()
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        if cwd is not None and not cwd.is_dir():
            raise EnvironmentMissing(f"there is no directory {cwd}") from error
        if isinstance(error, FileNotFoundError):
            raise EnvironmentMissing(
                f"program {argv[0]!r} was not found", hint="run: lppack doctor"
            ) from error
        raise EnvironmentMissing(f"program {argv[0]!r} cannot be run: {error.strerror}") from error
    LOG.debug("pid %d in %s: %s", child.pid, cwd or ".", shown(argv))
    timed_out = False
    try:
        out, err = child.communicate(data, timeout=limit)
    except subprocess.TimeoutExpired:
        timed_out = True
        kill_group(child.pid)
        out, err = _rest(child)
    except BaseException:
        kill_group(child.pid)
        child.wait()
        raise
    return logged(
        Done(
            argv=tuple(argv),
            rc=child.returncode,
            out=out.decode(errors="replace"),
            err=err.decode(errors="replace"),
            seconds=time.monotonic() - start,
            timed_out=timed_out,
        )
    )


def run_bytes(argv: Sequence[str], *, limit: float, cwd: Path) -> bytes | None:
    """Run ``argv`` for its output, which is no text; None: it failed, and printed nothing."""
    start = time.monotonic()
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    LOG.info("%s: exit code %d, %.2f s", shown(argv), done.returncode, time.monotonic() - start)
    return done.stdout or None


def _rest(child: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Return what was said until now; a child that left the group may hold the pipes open for
    ever."""
    try:
        return child.communicate(timeout=1.0)
    except subprocess.TimeoutExpired as error:
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()
        return error.output or b"", error.stderr or b""


def kill_group(pid: int) -> None:
    """SIGKILL to the process group that ``pid`` leads; a group that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which ``pid`` began, None if it is gone: tells a reused pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # proc(5): field 22; the command (field 2) may hold spaces and brackets.
    return int(stat.rpartition(")")[2].split()[19])
