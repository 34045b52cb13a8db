# SPDX-License-Identifier: MIT
"""Index the include lines of a kernel's sources, once for each package."""

import json
import posixpath
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from lppack import proc, store
from lppack.errors import EnvironmentMissing

_FORMAT = 1
_LINE = re.compile(
    rb"^(?P<path>[^\0\n]+)\0[ \t]*#[ \t]*include[ \t]*[<\"](?P<name>[^>\"\n]+)", re.M
)


class Includes:
    """The include lines of all C files and headers of a tree.

    ``tree`` holds the sources, ``cache`` is where the index is kept.
    """

    def __init__(self, tree: Path, cache: Path) -> None:
        self._tree = tree
        self._place = cache / f"includes-v{_FORMAT}.json"

    @cached_property
    def _said(self) -> Mapping[str, list[str]]:
        """Map each path to its includes, as written."""
        try:
            found: Mapping[str, list[str]] = json.loads(self._place.read_text())
            return found
        except (OSError, ValueError):
            pass
        # In the C locale grep takes a twentieth of the time.
        argv = [
            "env",
            "LC_ALL=C",
            "grep",
            "-rIZ",
            "--include=*.[chS]",
            "^[ \t]*#[ \t]*include",
            ".",
        ]
        done = proc.run_bytes(argv, limit=300, cwd=self._tree)
        if done is None:
            raise EnvironmentMissing(f"the sources in {self._tree} cannot be read")
        said: dict[str, list[str]] = {}
        for line in _LINE.finditer(done):
            path = line["path"].decode("utf-8", "replace").removeprefix("./")
            said.setdefault(path, []).append(line["name"].decode("latin-1"))
        store.write_atomic(self._place, json.dumps(said).encode())
        return said

    @cached_property
    def _by_base(self) -> Mapping[str, list[tuple[str, str]]]:
        """Map a file's base name to (including file, include as written)."""
        found: dict[str, list[tuple[str, str]]] = {}
        for path, names in self._said.items():
            for name in names:
                found.setdefault(posixpath.basename(name), []).append((path, name))
        return found

    def direct(self, path: str) -> tuple[str, ...]:
        """Return files that may include ``path``: a same-named file may be meant."""
        found = []
        for who, name in self._by_base.get(posixpath.basename(path), ()):
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
