# SPDX-License-Identifier: MIT
"""Which modules of a kernel have a function or a variable: an index, made when first asked."""

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
    """Names of the modules that define it, or a copy of the compiler's own (NAME.isra.0); takes
    seconds the first time for a kernel.

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
    """Return the same for a variable; none of a function's own (`count.3`), nor the compiler's."""
    return _asked(
        version,
        modules,
        "SELECT module.name FROM variable JOIN module ON module = number"
        " WHERE variable.name = ? ORDER BY module.name",
        variable,
    )


def _asked(version: str, modules: Mapping[str, Path], query: str, word: str) -> tuple[str, ...]:
    # Names and sizes tell a tree from another: reading 4,000 files would take as long as an index.
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
    """(table, name) of what the module defines."""
    for entry in open_module(path).symbols():
        if not (entry.name and SHN_UNDEF < entry.section < SHN_LORESERVE):
            continue
        if entry.kind == _STT_FUNC and not entry.name.startswith(PADDING):
            yield "function", entry.name
        # __UNIQUE_ID_author1, __func__.0: half of all, and nobody asks for them.
        elif entry.kind == _STT_OBJECT and entry.name.isidentifier() and entry.name[:2] != "__":
            yield "variable", entry.name
