# SPDX-License-Identifier: MIT
"""Which C files a change of the sources can affect: those that it names, and the users of what it
changes in headers, through macros, inline functions, constants and types."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lppack.csource.changes import Changes
from lppack.csource.items import Kind
from lppack.proof.includes import Includes

_MOST_NAMES = 400  # names that stand on a changed one; more is a change of everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """C files to compile, and what was followed to find them."""

    paths: tuple[str, ...]
    names: tuple[str, ...]  # changed in headers, or standing on what is
    too_many: bool = False  # not all names were followed


def affected(
    every: Collection[Changes],
    tree: Path,
    includes: Includes,
    read: Callable[[str], Changes | None],
) -> Affected:
    """``every`` is what the change makes of each C file and header; ``read`` gives an unchanged
    header, parsed."""
    own = {c.before.path for c in every if c.before.path.endswith(".c")}
    # A C file may be included by others: then these are compiled as well.
    found = set(own)
    for path in own:
        found |= {user for user in includes.users(path) if user.endswith(".c")}
    headers = [c for c in every if not c.before.path.endswith(".c")]
    names: set[str] = set()
    users: set[str] = set()
    too_many = False
    for changes in headers:
        names |= _touched(changes)
        users |= includes.users(changes.before.path)
    if names:
        near = [path for path in users if path.endswith(".h")]
        near += [changes.before.path for changes in headers]
        too_many = _follow(names, near, tree, read)
        wanted = _pattern(names)
        for path in sorted(user for user in users if user.endswith(".c")):
            file = tree / path
            if path not in found and file.is_file() and wanted.search(file.read_bytes()):
                found.add(path)
        # A file that only includes another C file names nothing itself.
        for path in sorted(found):
            found |= {user for user in includes.users(path) if user.endswith(".c")}
    return Affected(paths=tuple(sorted(found)), names=tuple(sorted(names)), too_many=too_many)


def _touched(changes: Changes) -> set[str]:
    """Names of what differs in a header, as its users write them."""
    found: set[str] = set()
    for item in (*changes.changed, *changes.added, *changes.removed):
        for name in item.names:
            found.add(name.rpartition(" ")[2])
    return found


def _follow(
    names: set[str],
    headers: Iterable[str],
    tree: Path,
    read: Callable[[str], Changes | None],
) -> bool:
    """Add what in ``headers`` stands on ``names``; whether there was too much of it."""
    texts: Mapping[str, bytes] = {
        path: (tree / path).read_bytes() for path in headers if (tree / path).is_file()
    }
    todo = set(names)
    while todo:
        wanted = _pattern(todo)
        fresh: set[str] = set()
        for path, text in texts.items():
            if not wanted.search(text):
                continue
            changes = read(path)
            for item in changes.after.items if changes else ():
                if item.kind not in (Kind.MACRO, Kind.FUNCTION, Kind.TYPE, Kind.VARIABLE):
                    continue
                if todo & {name.rpartition(" ")[2] for name in item.uses}:
                    fresh |= {name.rpartition(" ")[2] for name in item.names}
        todo = fresh - names
        names |= todo
        if len(names) > _MOST_NAMES:
            return True
    return False


def _pattern(names: Collection[str]) -> re.Pattern[bytes]:
    words = b"|".join(re.escape(name.encode()) for name in sorted(names) if name)
    return re.compile(rb"(?<![A-Za-z0-9_])(?:" + words + rb")(?![A-Za-z0-9_])")
