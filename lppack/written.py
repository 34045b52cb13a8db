# SPDX-License-Identifier: MIT
"""Files that lppack writes into a user's folder, and whether they were changed since."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.shape import read_json

#: File in the folder with the hashes of the files that each command wrote.
RECORD = ".lppack-written.json"


def need_folder(folder: Path) -> None:
    """Raise EnvironmentMissing unless ``folder`` is writable or can be created."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            why = f"{there} is a file"
        elif not os.access(there, os.W_OK | os.X_OK):  # on a read-only filesystem also for root
            why = f"you have no permission to write to {there}"
        else:
            return
    except OSError as error:  # a name too long, a folder that may not be searched
        why = str(error.strerror)
    raise _not_to(folder, why)


def _not_to(folder: Path, why: str) -> EnvironmentMissing:
    return EnvironmentMissing(f"cannot write to {folder}: {why}", hint="give another folder")


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise EnvironmentMissing for an OSError of the block: a full disk, a folder of /proc."""
    try:
        yield
    except OSError as error:
        raise _not_to(folder, str(error.strerror)) from error


class Written:
    """A folder in which lppack replaces only files that it wrote and that nobody has changed.

    ``force``: replace any file that has the name of a file to write. ``by``: the command; files
    that another command wrote count as somebody else's.
    """

    def __init__(self, folder: Path, *, force: bool, by: str) -> None:
        self.folder = folder
        self.force = force
        self._by = by
        self._all = _read(folder / RECORD)
        self._written = self._all.get(by, {})

    def check(self, names: frozenset[str] = frozenset()) -> None:
        """Raise EnvironmentMissing if the folder is not safe to write to.

        That is: the folder is not writable, a file of an earlier run was changed since, or this
        command has not written one of ``names``.
        """
        need_folder(self.folder)
        if self.force:
            return
        after = "" if self._by == "new" else " after -o"
        for name in sorted({*self._written, *names}):
            file = self.folder / name
            if not (file.exists() or file.is_symlink()):
                continue
            if name not in self._written:
                why = f"was not written by lppack {self._by}"
            elif not file.is_file() or _hash(file.read_bytes()) != self._written[name]:
                why = f"was changed since lppack {self._by} wrote it"
            else:
                continue
            raise EnvironmentMissing(
                f"{file} exists, and {why}; nothing was written",
                hint=f"give another folder{after}, or --force to overwrite it",
            )

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write ``files``, and remove files that only an earlier run wrote.

        Raise EnvironmentMissing as check() does, before anything is written. Also raise it if the
        disk is full; then the new files are removed.
        """
        self.check(frozenset(files))
        new = [
            path
            for name in files
            for path in reversed((self.folder / name, *(self.folder / name).parents))
            if not path.exists()
        ]
        with writing_to(self.folder):
            try:
                for name, data in files.items():
                    store.write_atomic(self.folder / name, data)
                self._record(files)
            except OSError:
                for path in reversed(new):
                    with contextlib.suppress(OSError):
                        path.rmdir() if path.is_dir() else path.unlink()
                raise

    def _record(self, files: Mapping[str, bytes]) -> None:
        for name in self._written.keys() - files.keys():
            file = self.folder / name
            if file.is_file() and _hash(file.read_bytes()) == self._written[name]:
                file.unlink()
        self._written = {name: _hash(data) for name, data in files.items()}
        # With force, files of another command now belong to this one.
        self._all = {
            by: {name: value for name, value in written.items() if name not in files}
            for by, written in self._all.items()
        } | {self._by: self._written}
        text = json.dumps(self._all, indent=1, sort_keys=True)
        store.write_atomic(self.folder / RECORD, f"{text}\n".encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(record: Path) -> dict[str, dict[str, str]]:
    """Return the record, by command; an empty dict if there is none, or it is not lppack's."""
    try:
        found = read_json(record.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    # Accept only names inside the folder, because lppack may remove the files that the record
    # names.
    return {
        by: {
            name: value
            for name, value in written.items()
            if isinstance(value, str) and not name.startswith("/") and ".." not in Path(name).parts
        }
        for by, written in found.items()
        if isinstance(written, dict)
    }
