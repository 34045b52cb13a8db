# SPDX-License-Identifier: MIT
"""Entries of the cache: created once, by one process at a time, and checked before use.

Beside each entry is a record with the digests of its files. The record exists only if the entry is
complete. Each use compares sizes and times; if a time differs, it also compares the digest. A
process that uses an entry holds a shared flock on it until the process ends, so that nobody removes
the entry meanwhile. Processes that create the same entry take turns with a lock file beside it.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing

#: The record of an entry that is a folder: "DIGEST SIZE TIME NAME" for each file.
RECORD = ".lppack-sums"
_HELD_MAX = 256
#: Entries that this process uses, with the descriptors that hold their flocks.
_held: OrderedDict[tuple[Path, str], int] = OrderedDict()


def ensure(path: Path, make: Callable[[Path], object], *, only: str = "") -> Path:
    """Return the folder ``path``; if it is absent or damaged, call ``make`` to fill a new one.

    ``only``: compare only the files whose names match this expression.
    Raise EnvironmentMissing if the disk is full, or the cache cannot be written.
    """

    def fill() -> None:
        with store.directory_atomic(path, replace=True) as draft:
            make(draft)
            write_record(draft)

    return _ensure(path, fill, only)


def ensure_file(path: Path, make: Callable[[Path], object]) -> Path:
    """Return the file ``path``; if it is absent or damaged, call ``make`` to write a new one."""

    def fill() -> None:
        with store.draft_file(path) as draft:
            make(draft)
            draft.chmod(0o755 if draft.stat().st_mode & 0o100 else 0o644)
            # A file without a record is not an entry, so remove the old record first.
            record_of(path).unlink(missing_ok=True)
            draft.replace(path)
        store.write_atomic(record_of(path), _line(path, path.name).encode())

    return _ensure(path, fill, "")


def _ensure(path: Path, fill: Callable[[], None], only: str) -> Path:
    with store.disk_errors(path):
        if use(path, only):
            return path
        with store.locked(lock_of(path)):
            if not use(path, only):
                store.sweep(path.parent)
                fill()
                if not use(path, only):
                    raise EnvironmentMissing(
                        f"{path} is damaged, although lppack has just written it",
                        hint="check that no other program writes there, and the disk for "
                        "errors: dmesg",
                    )
    return path


def lock_of(path: Path) -> Path:
    """Return the file that is locked while ``path`` is created."""
    return path.with_name(f".{path.name}.lock")


def record_of(path: Path) -> Path:
    """Return the path of an entry's record."""
    return path / RECORD if path.is_dir() else path.with_name(f".{path.name}.sums")


def hold(path: Path, only: str = "") -> bool:
    """Keep ``path`` from being removed until this process ends. Return False if it is not there."""
    while True:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        fcntl.flock(handle, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(handle)):
                break
        os.close(handle)  # it was removed or replaced meanwhile
    if (old := _held.pop((path, only), None)) is not None:
        os.close(old)
    _held[path, only] = handle
    while len(_held) > _HELD_MAX:
        os.close(_held.popitem(last=False)[1])
    return True


def release(path: Path | None = None) -> None:
    """Release the flocks that hold() took: for one entry, or for all."""
    for one in [key for key in _held if path in (None, key[0])]:
        os.close(_held.pop(one))


def use(path: Path, only: str = "") -> bool:
    """Hold an entry, and return True if it is complete; return False if it is absent or damaged.

    Each process compares a folder with its record only once.
    """
    if (path, only) in _held and path.is_dir():
        return True
    if not hold(path, only):
        return False
    if faults(path, only=only):
        os.close(_held.pop((path, only)))
        return False
    with contextlib.suppress(OSError):  # another user's cache
        os.utime(record_of(path))  # records the time of the last use
    return True


def faults(path: Path, *, deep: bool = False, only: str = "") -> list[str]:
    """Compare an entry with its record, and return the differences.

    ``deep``: compare all digests, not only where times differ.
    """
    try:
        text = record_of(path).read_text(errors="surrogateescape")
    except OSError:
        return [f"{path}: has no record of its digests"]
    lines = [line.split(" ", 3) for line in text.splitlines()]
    if not lines or any(len(line) != 4 for line in lines):
        return [f"{record_of(path)}: damaged"]
    wanted, top = re.compile(only), path if path.is_dir() else path.parent
    found = []
    prefix = (
        f"{top}/"  # strings: creating a Path for each of 16,000 headers takes ten times as long
    )
    for digest, size, time, name in lines:
        if not only or wanted.search(name):
            fault = _fault(prefix + name, digest, size, time, deep)
            found += [f"{prefix}{name}: {fault}"] if fault else []
    if deep and path.is_dir():
        known = {name for *_, name in lines}
        found += [f"{path / name}: not recorded" for name in _names(path) if name not in known]
    return found


def size(folder: Path) -> int | None:
    """Return the size of an entry in bytes, as recorded; None if there is no record."""
    try:
        lines = (folder / RECORD).read_text(errors="surrogateescape").splitlines()
        return sum(int(line.split(" ", 2)[1]) for line in lines)
    except (OSError, ValueError, IndexError):
        return None


def _fault(file: str, digest: str, size: str, time: str, deep: bool) -> str | None:
    try:
        info = os.lstat(file)
        if str(info.st_size) != size:
            return f"{info.st_size} bytes, not {size}"
        if (deep or str(info.st_mtime_ns) != time) and _digest(Path(file)) != digest:
            return "its digest differs"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


def write_record(folder: Path) -> None:
    """Record the digests of all files below ``folder``."""
    text = "".join(_line(folder / name, name) for name in sorted(_names(folder)))
    text = text or _line(folder, ".")  # an empty folder is also an entry
    (folder / RECORD).write_text(text, errors="surrogateescape")


def _line(file: Path, name: str) -> str:
    info = file.lstat()
    return f"{_digest(file)} {info.st_size} {info.st_mtime_ns} {name}\n"


def _names(folder: Path) -> Iterator[str]:
    """Yield the files and links below ``folder``, relative to it."""
    top = str(folder)
    for at, folders, files in os.walk(top):
        below = os.path.relpath(at, top) + "/" if at != top else ""
        links = [name for name in folders if os.path.islink(f"{at}/{name}")]  # noqa: PTH114
        for name in [*files, *links]:
            if (below, name) != ("", RECORD) and "\n" not in name:
                yield below + name


def _digest(file: Path) -> str:
    if file.is_symlink():
        return hashlib.sha256(os.fsencode(os.readlink(file))).hexdigest()  # noqa: PTH115
    if file.is_dir():
        return hashlib.sha256().hexdigest()
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def remove(path: Path) -> bool:
    """Remove an entry; return False if a process uses or creates it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(store.locked(lock_of(path), wait=False))
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        if path.is_dir():
            aside = path.with_name(f"{store.DRAFT}{path.name}.removed")
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        path.with_name(f".{path.name}.sums").unlink(missing_ok=True)
        lock_of(path).unlink(missing_ok=True)
    return True
