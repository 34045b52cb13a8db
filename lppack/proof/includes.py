# SPDX-License-Identifier: MIT
"""Index the include lines of a kernel's sources, once for each package."""

import posixpath
import re
import sqlite3
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from lppack import entries, proc
from lppack.errors import EnvironmentMissing
from lppack.kernel.cache import database

_FORMAT = 2
_INCLUDE = "^[ \t]*#[ \t]*include"
_TABLE = """
CREATE TABLE line (
    seq INTEGER PRIMARY KEY, base TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL
) STRICT
"""
_LINE = re.compile(
    rb"^(?P<path>[^\0\n]+)\0[ \t]*#[ \t]*include[ \t]*[<\"](?P<name>[^>\"\n]+)", re.M
)


class Includes:
    """The include lines of all C files and headers of a tree.

    ``tree`` holds the sources, ``cache`` is where the index is kept.
    """

    def __init__(self, tree: Path, cache: Path) -> None:
        self._tree = tree
        self._place = cache / f"includes-v{_FORMAT}.sqlite"

    @cached_property
    def _index(self) -> sqlite3.Connection:
        """The index, read from the tree if there is none, or it is damaged."""
        entries.ensure_file(self._place, self._make)
        return sqlite3.connect(f"{self._place.absolute().as_uri()}?mode=ro&immutable=1", uri=True)

    def _make(self, draft: Path) -> None:
        with database(draft) as index:
            index.execute(_TABLE)
            index.executemany("INSERT INTO line (base, path, name) VALUES (?, ?, ?)", self._lines())
            index.execute("CREATE INDEX line_base ON line (base)")

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        """Yield (base name of the included, including file, include as written)."""
        # In the C locale grep takes a twentieth of the time.
        argv = ["env", "LC_ALL=C", "grep", "-rIZ", "--include=*.[chS]", _INCLUDE, "."]
        done = proc.run_bytes(argv, limit=300, cwd=self._tree)
        if done is None:
            raise EnvironmentMissing(f"the sources in {self._tree} cannot be read")
        for line in _LINE.finditer(done):
            path = line["path"].decode("utf-8", "replace").removeprefix("./")
            name = line["name"].decode("latin-1")
            yield posixpath.basename(name), path, name

    def direct(self, path: str) -> tuple[str, ...]:
        """Return files that may include ``path``: a same-named file may be meant."""
        found = []
        query = "SELECT path, name FROM line WHERE base = ? ORDER BY seq"
        for who, name in self._index.execute(query, (posixpath.basename(path),)):
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(who), name))
            plain = re.sub(r"^(?:\.\./)+", "", name)
            if path == f"include/asm-generic/{name.removeprefix('asm/')}":
                found.append(who)  # <asm/x.h> may be a wrapper that the build makes
                continue
            if beside == path or path.endswith(f"/{plain}") or path == plain:
                found.append(who)
        return tuple(found)

    def users(self, path: str) -> frozenset[str]:
        """Return every file that may include ``path``, directly or through others."""
        seen, todo = {path}, [path]
        while todo:
            for who in self.direct(todo.pop()):
                if who not in seen:
                    seen.add(who)
                    todo.append(who)
        return frozenset(seen - {path})
