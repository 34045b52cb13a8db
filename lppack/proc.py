# SPDX-License-Identifier: MIT
"""Run programs on this machine; no other module does."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack.errors import EnvironmentMissing

#: A function that takes lines of progress.
Say = Callable[[str], None]

#: Secrets: a password in a URL, a PIN in a PKCS #11 URI (RFC 7512), or an option with such a name.
_SECRET = re.compile(
    r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)"
    r"|(?i:(?<=pin-value=)|(?<=password=)|(?<=passwd=)|(?<=passphrase=)|(?<=secret=)|(?<=token=))"
    r"[^&;\s]+"
)

#: Environment variables that a child inherits; the caller passes all others.
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
        """Return the command in a form that can be pasted, its exit status, and its last lines of
        output."""
        how = f"no answer in {self.seconds:.0f} s" if self.timed_out else f"exit code {self.rc}"
        lines = (self.out + self.err).rstrip().splitlines()[-tail:]
        return "\n".join([f"{shown(self.argv)}: {how}", *(f"  {line}" for line in lines)])


def log(form: str, *parts: object, debug: bool = False) -> None:
    """Log what was run, for -v and LPPACK_DEBUG; lppack/cli/log.py prints it.

    Who wants a log has imported `logging`; for all others it is too slow to import.
    """
    if (logging := sys.modules.get("logging")) is not None:
        logger = logging.getLogger("lppack.proc")
        logger.log(logging.DEBUG if debug else logging.INFO, form, *parts)


def shown(argv: Sequence[str]) -> str:
    """Return the command in a form that can be pasted, without its secrets."""
    return shlex.join(_SECRET.sub("***", word) for word in argv)


def logged(done: Done) -> Done:
    """Log a program that has ended, with its run time; never log its input, output or
    environment."""
    how = "cut off" if done.timed_out else f"exit code {done.rc}"
    log("%s: %s, %.2f s", shown(done.argv), how, done.seconds)
    return done


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: a few inherited variables, the C locale, and ``extra``."""
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
    """Run ``argv`` with an empty stdin (or ``data``); kill its process group after ``limit``
    seconds.

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
    log("pid %d in %s: %s", child.pid, cwd or ".", shown(argv), debug=True)
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
    """Run ``argv`` and return its binary output; None if it failed and printed nothing."""
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
    log("%s: exit code %d, %.2f s", shown(argv), done.returncode, time.monotonic() - start)
    return done.stdout or None


def _rest(child: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Return the output so far; do not wait: a child that left the group may keep the pipes
    open."""
    try:
        return child.communicate(timeout=1.0)
    except subprocess.TimeoutExpired as error:
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()
        return error.output or b"", error.stderr or b""


def kill_group(pid: int) -> None:
    """Send SIGKILL to the process group that ``pid`` leads; ignore a group that no longer
    exists."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def start_time(pid: int) -> int | None:
    """Return when ``pid`` began, in clock ticks after boot; None if it is gone. Detects a reused
    pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # proc(5): field 22; the command (field 2) may contain spaces and brackets.
    return int(stat.rpartition(")")[2].split()[19])
