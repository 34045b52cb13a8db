# SPDX-License-Identifier: MIT
"""Index the include lines of a kernel's sources, once for each package."""

import posixpath
import re
import sqlite3
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from lppack import entries, proc
from lppack.errors import EnvironmentMissing
from lppack.kernel.cache import database

_FORMAT = 3
_INCLUDE = "^[ \t]*#[ \t]*include"
_TABLE = """
CREATE TABLE line (
    seq INTEGER PRIMARY KEY, base TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL,
    beside TEXT NOT NULL  -- the file of that name in the includer's folder; "": it is not meant
) STRICT
"""
_LINE = re.compile(
    rb"^(?P<path>[^\0\n]+)\0[ \t]*#[ \t]*include[ \t]*(?P<mark>[<\"])(?P<name>[^>\"\n]+)", re.M
)
#: Compiled for the machine that builds, with headers of its own: tools/include/linux/kernel.h.
PROGRAMS = ("tools/", "scripts/", "samples/", "usr/")
# The whole kernel is compiled with -I for these folders, and no Makefile adds a folder below one of
# them (v6.1 to v7.2): so an #include names the whole path below such a folder.
_ROOT = re.compile(r"(?:arch/\w+/)?include/(?:uapi/)?")


class Includes:
    """The include lines of all C files and headers of a tree.

    ``tree`` holds the sources, ``cache`` is where the index is kept.
    """

    def __init__(self, tree: Path, cache: Path) -> None:
        self._tree = tree
        self._place = cache / f"includes-v{_FORMAT}.sqlite"

    @cached_property
    def _index(self) -> sqlite3.Connection:
        """The index; it is built from the tree if it is missing or damaged."""
        entries.ensure_file(self._place, self._make)
        return sqlite3.connect(f"{self._place.absolute().as_uri()}?mode=ro&immutable=1", uri=True)

    def _make(self, draft: Path) -> None:
        with database(draft) as index:
            index.execute(_TABLE)
            names = "INSERT INTO line (base, path, name, beside) VALUES (?, ?, ?, ?)"
            index.executemany(names, self._lines())
            index.execute("CREATE INDEX line_base ON line (base)")

    def _lines(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield (base name of the included, including file, include as written, the file beside
        it)."""
        # In the C locale grep takes a twentieth of the time.
        argv = ["env", "LC_ALL=C", "grep", "-rIZ", "--include=*.[chS]", _INCLUDE, "."]
        done = proc.run_bytes(argv, limit=300, cwd=self._tree)
        if done is None:
            raise EnvironmentMissing(f"the sources in {self._tree} cannot be read")
        for line in _LINE.finditer(done):
            path = line["path"].decode("utf-8", "replace").removeprefix("./")
            name = line["name"].decode("latin-1")
            beside = ""
            if line["mark"] == b'"':
                beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
                beside = beside if (self._tree / beside).is_file() else ""
            yield posixpath.basename(name), path, name, beside

    def direct(self, path: str) -> tuple[str, ...]:
        """Return the files that may include ``path``.

        An include that names no file beside its includer may mean any file of that name, as a
        Makefile gives folders with -I.
        """
        query = "SELECT path, name, beside FROM line WHERE base = ? ORDER BY seq"
        return tuple(
            who
            for who, name, beside in self._index.execute(query, (posixpath.basename(path),))
            if (beside == path if beside else _may_be(path, name))
            if path.startswith(PROGRAMS) or not who.startswith(PROGRAMS)
        )

    def naming(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the headers that contain one of ``names`` as a word. Raise EnvironmentMissing."""
        if not names:
            return ()
        argv = ["grep", "-rlIwFZ", "--include=*.h", "-f", "-", "."]
        words = "".join(f"{name}\n" for name in sorted(names)).encode()
        done = proc.run(argv, limit=300, cwd=self._tree, env={"LC_ALL": "C"}, data=words)
        if done.timed_out or done.rc not in (0, 1):  # 1: there is none
            raise EnvironmentMissing(
                f"the headers in {self._tree} cannot be searched", hint="run: lppack doctor"
            )
        found = {path.removeprefix("./") for path in done.out.split("\0") if path}
        return tuple(sorted(path for path in found if not path.startswith(PROGRAMS)))

    def users(self, path: str) -> frozenset[str]:
        """Return every file that may include ``path``, directly or through others."""
        seen, todo = {path}, [path]
        while todo:
            for who in self.direct(todo.pop()):
                if who not in seen:
                    seen.add(who)
                    todo.append(who)
        return frozenset(seen - {path})


def _may_be(path: str, name: str) -> bool:
    """Return whether an include of ``name`` may lead to ``path``."""
    plain = re.sub(r"^(?:\.\./)+", "", name)
    if root := _ROOT.match(path):
        # <asm/x.h> may be a wrapper of asm-generic/x.h that the build makes.
        rest = path[root.end() :]
        return plain in (path, rest) or re.sub(r"^asm/", "asm-generic/", plain) == rest
    return path == plain or path.endswith(f"/{plain}")
