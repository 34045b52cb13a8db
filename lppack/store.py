# SPDX-License-Identifier: MIT
"""Where lppack keeps files, and how they appear: whole or not at all."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def cache_dir() -> Path:
    """What can be made again: kernels, images' recipes, built modules."""
    if os.geteuid() == 0 and "XDG_CACHE_HOME" not in os.environ:
        return Path("/var/cache/lppack")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lppack"


def state_dir() -> Path:
    """What cannot be made again: what ``doctor`` started."""
    if os.geteuid() == 0 and "XDG_STATE_HOME" not in os.environ:
        return Path("/var/lib/lppack")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "lppack"


def run_dir() -> Path:
    """Live guests; gone at reboot."""
    if os.geteuid() == 0 and "XDG_RUNTIME_DIR" not in os.environ:
        return Path("/run/lppack")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / "lppack"


def write_atomic(path: Path, data: bytes) -> None:
    """``path`` appears with all of ``data`` or not at all. An OSError names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except BaseException as error:
        Path(draft).unlink(missing_ok=True)
        if isinstance(error, OSError) and not error.filename:  # of write(2): a full disk
            error.filename = str(path)
        raise


@contextlib.contextmanager
def directory_atomic(path: Path) -> Iterator[Path]:
    """A fresh directory that becomes ``path`` when the block ends well, and nothing otherwise.

    If ``path`` has appeared meanwhile (another process made the same thing), that one is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield draft
        draft.chmod(0o755)
        try:
            draft.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def journal(kind: str, text: str) -> None:
    """Notes one guest or container that was started: evidence, and what tests count."""
    path = journal_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {kind} {text}\n")


def journal_path() -> Path:
    return cache_dir() / "journal.log"


@contextlib.contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """A folder on the cache's disk, for what /tmp may have no room for; gone after the block."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=f".{prefix}") as folder:
        yield Path(folder)


def lock_holder(path: Path) -> int | None:
    """Return the process that holds a flock on ``path``; None if there is none, or it is hidden."""
    try:
        status = path.stat()
        return holder_in(Path("/proc/locks").read_text(), status.st_dev, status.st_ino)
    except OSError:
        return None


def holder_in(locks: str, device: int, inode: int) -> int | None:
    """Return the process that holds a flock on a file, by the text of /proc/locks."""
    # proc(5): "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END".
    file = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    rows = [line.split() for line in locks.splitlines()]
    found = (row[4] for row in rows if row[1:2] == ["FLOCK"] and file in row[5:])
    return next((int(pid) for pid in found if pid.isdecimal() and int(pid) > 0), None)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on ``path``: one process at a time does what is inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_SCRATCH = "lppack-scratch-"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process alone.

    Its flock ends with the process, so that sweep_scratch() can tell it from one in use.
    """
    folder, handle = _own_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def sweep_scratch() -> None:
    """Remove the folders of processes that died."""
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):  # in use, another user's, or removed meanwhile
            handle = _flock(left)
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)


def _own_folder() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
        with contextlib.suppress(OSError):  # swept by another command before it was locked
            handle = _flock(folder)
            if folder.exists():
                return folder, handle
            os.close(handle)


def _flock(folder: Path) -> int:
    """Return a handle on ``folder`` that holds its flock. Raise OSError if it is in use."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
