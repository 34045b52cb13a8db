# SPDX-License-Identifier: MIT
"""Files that lppack writes into a folder of the user's, and what has become of them since."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing

#: In the folder: by command, a hash of each file as it was written.
RECORD = ".lppack-written.json"


def need_folder(folder: Path) -> None:
    """Raise EnvironmentMissing if ``folder`` can be neither written to nor made."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            why = f"{there} is a file"
        elif not os.access(there, os.W_OK | os.X_OK):  # on a read-only filesystem also for root
            why = f"{there} may not be written to"
        else:
            return
    except OSError as error:  # a name too long, a folder that may not be searched
        why = str(error.strerror)
    raise _not_to(folder, why)


def _not_to(folder: Path, why: str) -> EnvironmentMissing:
    return EnvironmentMissing(
        f"nothing can be written to {folder}: {why}", hint="give another folder"
    )


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise EnvironmentMissing for an OSError of the block: a full disk, a folder of /proc."""
    try:
        yield
    except OSError as error:
        raise _not_to(folder, str(error.strerror)) from error


class Written:
    """A folder in which lppack replaces nothing but what it wrote and nobody has changed.

    ``force``: it replaces whatever has the name of a file that it writes. ``by``: the command; what
    another command wrote is somebody else's.
    """

    def __init__(self, folder: Path, *, force: bool, by: str) -> None:
        self.folder = folder
        self.force = force
        self._by = by
        self._all = _read(folder / RECORD)
        self._written = self._all.get(by, {})

    def check(self, names: frozenset[str] = frozenset()) -> None:
        """Raise EnvironmentMissing if the folder is not writable, a file of an earlier run was
        changed since, or one of ``names`` is not this command's."""
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
                f"{file} is there, and {why}; nothing was written",
                hint=f"give another folder{after}, or --force to overwrite it",
            )

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write ``files``, and remove what an earlier run wrote and this one does not.

        Raise EnvironmentMissing, before anything is written, as check() does; also if the disk is
        full, and then what is new in the folder is removed.
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
        # With force, what was another command's is not any more.
        self._all = {
            by: {name: value for name, value in written.items() if name not in files}
            for by, written in self._all.items()
        } | {self._by: self._written}
        text = json.dumps(self._all, indent=1, sort_keys=True)
        store.write_atomic(self.folder / RECORD, f"{text}\n".encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(record: Path) -> dict[str, dict[str, str]]:
    """Return what the record says, by command; nothing if there is none, or it is not lppack's."""
    try:
        found = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    # A name leads nowhere but into the folder: what the record names may be removed.
    return {
        by: {
            name: value
            for name, value in written.items()
            if isinstance(value, str) and not name.startswith("/") and ".." not in Path(name).parts
        }
        for by, written in found.items()
        if isinstance(written, dict)
    }
