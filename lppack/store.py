# SPDX-License-Identifier: MIT
"""Where lppack keeps files; files and folders are created atomically."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lppack.errors import EnvironmentMissing


def cache_dir() -> Path:
    """Return the folder for files that can be fetched or built again: kernels, images, built
    modules."""
    if os.geteuid() == 0 and "XDG_CACHE_HOME" not in os.environ:
        return Path("/var/cache/lppack")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lppack"


def state_dir() -> Path:
    """Return the folder for records that cannot be created again: which services ``doctor``
    started."""
    if os.geteuid() == 0 and "XDG_STATE_HOME" not in os.environ:
        return Path("/var/lib/lppack")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "lppack"


def run_dir() -> Path:
    """Return the folder of live guests; gone at reboot."""
    if os.geteuid() == 0 and "XDG_RUNTIME_DIR" not in os.environ:
        return Path("/run/lppack")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / "lppack"


#: Prefix of the names of unfinished files and folders; the process that writes one holds its flock.
DRAFT = ".draft-"


def write_atomic(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write ``data`` to ``path`` atomically; ``durable``: flush it to disk before returning."""
    try:
        with draft_file(path) as draft:
            draft.write_bytes(data)
            draft.chmod(0o644)
            if durable:
                _sync(draft)
            draft.replace(path)
            if durable:
                _sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk has no file name
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def draft_file(path: Path) -> Iterator[Path]:
    """Yield an empty file beside ``path``; remove it after the block, unless it was moved to
    ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{DRAFT}{path.name}.")
        with contextlib.suppress(BlockingIOError):  # another process is sweeping it
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_nlink:
                break
        os.close(handle)
    draft = Path(name)
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def directory_atomic(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a new directory; move it to ``path`` if the block succeeds, or else remove it.

    If another process has created ``path`` meanwhile, keep the existing one; with ``replace``, move
    it away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _own(path.parent, f"{DRAFT}{path.name}.") as draft:
        yield draft
        draft.chmod(0o755)
        if replace and path.is_dir():
            aside = draft.with_name(f"{draft.name}.old")
            path.rename(aside)
            draft.rename(path)
            _sweep(aside)  # now, or later, when the last process that uses it has ended
            return
        try:
            draft.rename(path)
        except OSError:
            if not path.is_dir():
                raise


def sweep(folder: Path) -> None:
    """Remove the unfinished files and folders of processes that died."""
    for left in folder.glob(f"{DRAFT}*"):
        _sweep(left)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise EnvironmentMissing where ``path`` cannot be written: full, read-only, no right."""
    try:
        yield
    except OSError as error:
        if explained := disk_error(error, path):
            raise explained from error
        raise


def disk_error(error: OSError, path: Path) -> EnvironmentMissing | None:
    """Return the error to report for a failed write to ``path``; None if it is no error of the
    disk."""
    hint = _DISK.get(error.errno or 0)
    if hint is None:
        return None
    return EnvironmentMissing(f"{error.filename or path}: {error.strerror}", hint=hint)


#: The way out of a full disk.
ROOM = "free some space: lppack cache --prune --older 7d; or set XDG_CACHE_HOME to a larger disk"
_RIGHT = "set XDG_CACHE_HOME to a folder that you may write to"
_DISK = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _RIGHT),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "move it away; or set XDG_CACHE_HOME"),
}


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` with a digest, for read_json()."""
    text = json.dumps(value, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_atomic(path, f"{digest}\n{text}\n".encode())


def has_json(path: Path) -> bool:
    """Return whether read_json() has something to return."""
    try:
        digest, _, text = path.read_bytes().partition(b"\n")
    except OSError:
        return False
    return hashlib.sha256(text.removesuffix(b"\n")).hexdigest().encode() == digest


def read_json(path: Path) -> Any:
    """Return the value that write_json() wrote; None if the file is absent or damaged."""
    return json.loads(path.read_bytes().partition(b"\n")[2]) if has_json(path) else None


def journal(kind: str, text: str) -> None:
    """Record that a guest or container was started; tests count these records."""
    path = journal_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {kind} {text}\n")


def journal_path() -> Path:
    return cache_dir() / "journal.log"


@contextlib.contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """Yield a temporary folder on the cache's disk, for files too large for /tmp; remove it
    afterwards."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    sweep(cache_dir())
    with disk_errors(cache_dir()), _own(cache_dir(), f"{DRAFT}{prefix}") as folder:
        yield folder


def lock_holder(path: Path) -> int | None:
    """Return the pid that holds a flock on ``path``; None if there is none, or it is not
    visible."""
    try:
        status = path.stat()
        return holder_in(Path("/proc/locks").read_text(), status.st_dev, status.st_ino)
    except OSError:
        return None


def holder_in(locks: str, device: int, inode: int) -> int | None:
    """Return the pid that holds a flock on a file, from the text of /proc/locks."""
    # proc(5): "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END".
    file = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    rows = [line.split() for line in locks.splitlines()]
    found = (row[4] for row in rows if row[1:2] == ["FLOCK"] and file in row[5:])
    return next((int(pid) for pid in found if pid.isdecimal() and int(pid) > 0), None)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on ``path``: only one process at a time runs the block.

    Raise BlockingIOError if another process holds the lock and ``wait`` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    while True:
        with path.open("a") as file:
            fcntl.flock(file, how)
            if os.fstat(file.fileno()).st_nlink:
                yield
                return
            # The lock file was removed while this process waited; lock the new one.


_SCRATCH = "lppack-scratch-"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that only this process uses, in the place for temporary files.

    Its flock ends with the process, so sweep_scratch() can recognise folders that are not in use.
    """
    with _own(Path(tempfile.gettempdir()), _SCRATCH) as folder:
        yield folder


def sweep_scratch() -> None:
    """Remove the folders of processes that died."""
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        _sweep(left)


def _sweep(left: Path) -> None:
    with contextlib.suppress(OSError):  # in use, another user's, or removed meanwhile
        handle = _flock(left)
        try:
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()
        finally:
            os.close(handle)


@contextlib.contextmanager
def _own(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a folder, and hold its flock; remove it after the block, unless it was moved."""
    folder, handle = _own_folder(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _own_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        with contextlib.suppress(OSError):  # swept by another command before it was locked
            handle = _flock(folder)
            if folder.exists():
                return folder, handle
            os.close(handle)


def _flock(path: Path) -> int:
    """Return a handle on ``path`` that holds its flock. Raise OSError if it is in use."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def refuse_special(path: Path) -> None:
    """Raise EnvironmentMissing for a pipe or a device: to read it may take for ever."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise EnvironmentMissing(
            f"{path} is not an ordinary file", hint="copy what it gives into a file, and give that"
        )
