# SPDX-License-Identifier: MIT
"""Which modules of a kernel have a function or a variable: an index, built on first use."""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from lppack import entries, store
from lppack.kernel.cache import database
from lppack.kernel.elf64 import SHN_LORESERVE, SHN_UNDEF
from lppack.kernel.modules import open_module
from lppack.kernel.symbols import PADDING

_FORMAT = 2
_STT_OBJECT, _STT_FUNC = 1, 2  # include/uapi/linux/elf.h

_SCHEMA = """
CREATE TABLE module (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE function (
    name TEXT NOT NULL, module INTEGER NOT NULL, PRIMARY KEY (name, module)
) STRICT, WITHOUT ROWID;
CREATE TABLE variable (
    name TEXT NOT NULL, module INTEGER NOT NULL, PRIMARY KEY (name, module)
) STRICT, WITHOUT ROWID;
"""


def modules_with(function: str, version: str, modules: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the names of the modules that define ``function``, or a clone of it (NAME.isra.0).

    The first call for a kernel takes seconds.

    ``version`` is the exact version of the kernel, ``modules`` name -> file of all its modules.
    """
    return _asked(
        version,
        modules,
        "SELECT DISTINCT module.name FROM function JOIN module ON module = number"
        " WHERE function.name = ?1 OR function.name BETWEEN ?1 || '.' AND ?1 || '/'"
        " ORDER BY module.name",
        function,
    )


def modules_with_variable(
    variable: str, version: str, modules: Mapping[str, Path]
) -> tuple[str, ...]:
    """Return the same for a variable, but not for one in a function (`count.3`) or `__NAME`."""
    return _asked(
        version,
        modules,
        "SELECT module.name FROM variable JOIN module ON module = number"
        " WHERE variable.name = ? ORDER BY module.name",
        variable,
    )


def _asked(version: str, modules: Mapping[str, Path], query: str, word: str) -> tuple[str, ...]:
    # Names and sizes identify a tree; reading 4,000 files would take as long as building the index.
    state = sorted((name, path.stat().st_size) for name, path in modules.items())
    key = hashlib.sha256(repr((version, state)).encode()).hexdigest()
    path = store.cache_dir() / "facts" / f"{key}-modules-v{_FORMAT}.sqlite"
    entries.ensure_file(path, lambda draft: _write(draft, modules))
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as cache:
        return tuple(found for (found,) in cache.execute(query, (word,)))


def _write(draft: Path, modules: Mapping[str, Path]) -> None:
    with database(draft) as cache:
        cache.executescript(_SCHEMA)
        for number, (name, path) in enumerate(sorted(modules.items())):
            cache.execute("INSERT INTO module VALUES (?, ?)", (number, name))
            for table, found in _named(path):
                cache.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", (found, number))


def _named(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (table, name) of each function and variable that the module defines."""
    for entry in open_module(path).symbols():
        if not (entry.name and SHN_UNDEF < entry.section < SHN_LORESERVE):
            continue
        if entry.kind == _STT_FUNC and not entry.name.startswith(PADDING):
            yield "function", entry.name
        # Not __UNIQUE_ID_author1 or __func__.0: they are half of all, and nobody needs them.
        elif entry.kind == _STT_OBJECT and entry.name.isidentifier() and entry.name[:2] != "__":
            yield "variable", entry.name
