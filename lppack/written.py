# SPDX-License-Identifier: MIT
"""Files that lppack writes into a folder of the user's, and what has become of them since."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing

#: In the folder: a hash of each file, as it was written.
RECORD = ".lppack-written.json"


class Written:
    """A folder in which lppack replaces nothing but what it wrote and nobody has changed.

    ``force``: it replaces whatever has the name of a file that it writes.
    """

    def __init__(self, folder: Path, *, force: bool) -> None:
        self.folder = folder
        self.force = force
        self._written = _read(folder / RECORD)

    def check(self, names: frozenset[str] = frozenset()) -> None:
        """Raise EnvironmentMissing if a file of an earlier run was changed since, or one of
        ``names`` is somebody else's."""
        if self.force:
            return
        for name in sorted({*self._written, *names}):
            file = self.folder / name
            if not (file.exists() or file.is_symlink()):
                continue
            if name not in self._written:
                why = "was not written by lppack"
            elif not file.is_file() or _hash(file.read_bytes()) != self._written[name]:
                why = "was changed since lppack wrote it"
            else:
                continue
            raise EnvironmentMissing(
                f"{file} is there, and {why}; nothing was written",
                hint="give another folder after -o, or --force to overwrite it",
            )

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write ``files``, and remove what an earlier run wrote and this one does not.

        Raise EnvironmentMissing, before anything is written, as check() does.
        """
        self.check(frozenset(files))
        for name, data in files.items():
            store.write_atomic(self.folder / name, data)
        for name in self._written.keys() - files.keys():
            file = self.folder / name
            if file.is_file() and _hash(file.read_bytes()) == self._written[name]:
                file.unlink()
        self._written = {name: _hash(data) for name, data in files.items()}
        text = json.dumps(self._written, indent=1, sort_keys=True)
        store.write_atomic(self.folder / RECORD, f"{text}\n".encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(record: Path) -> dict[str, str]:
    """Return what the record says; nothing if there is none, or it is not one of lppack."""
    try:
        found = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    # A name leads nowhere but into the folder: what the record names may be removed.
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, str) and not name.startswith("/") and ".." not in Path(name).parts
    }
