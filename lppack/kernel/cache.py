# SPDX-License-Identifier: MIT
"""The cache file with the facts of a vmlinux: one SQLite database for each kernel image."""

import contextlib
import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lppack.errors import EnvironmentMissing
from lppack.kernel.exports import Export
from lppack.kernel.symbols import Symbol

#: Part of the file's name: raise it when a decoder or a table changes.
FORMAT = 3

_SCHEMA = """
CREATE TABLE symbol (
    seq INTEGER PRIMARY KEY, name TEXT NOT NULL, address INTEGER NOT NULL, type TEXT NOT NULL,
    sympos INTEGER NOT NULL, traceable INTEGER NOT NULL, init INTEGER NOT NULL, size INTEGER
) STRICT;
CREATE TABLE export (name TEXT PRIMARY KEY, gpl INTEGER NOT NULL, namespace TEXT) STRICT;
CREATE TABLE btf_function (name TEXT NOT NULL, number INTEGER NOT NULL) STRICT;
CREATE TABLE btf_type (name TEXT NOT NULL, number INTEGER NOT NULL) STRICT;
CREATE TABLE btf (data BLOB NOT NULL, offsets BLOB NOT NULL) STRICT;
"""
_INDEXES = """
CREATE INDEX symbol_name ON symbol (name);
CREATE INDEX symbol_address ON symbol (address);
CREATE INDEX btf_function_name ON btf_function (name);
CREATE INDEX btf_type_name ON btf_type (name);
"""
COLUMNS = "name, address, type, sympos, traceable, init, size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """All that is kept of one vmlinux; without BTF the last four are empty."""

    symbols: tuple[Symbol, ...]
    exports: tuple[Export, ...]
    btf: bytes
    offsets: "array[int]"
    functions: tuple[tuple[str, int], ...]
    types: tuple[tuple[str, int], ...]


def open_cache(path: Path) -> sqlite3.Connection | None:
    """Return a read-only connection to the cache file; None if it is absent or damaged."""
    if not path.is_file():
        return None
    cache = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        (said,) = cache.execute("PRAGMA user_version").fetchone()
        # max(seq), because count(*) would read the whole table.
        (last,) = cache.execute("SELECT max(seq) FROM symbol").fetchone()
    except sqlite3.Error:
        said = last = None
    if said and said == last:
        return cache
    cache.close()
    return None


def write_cache(path: Path, decoded: Decoded) -> None:
    """Write all facts into the empty file ``path``."""
    with database(path) as cache:
        cache.executescript(_SCHEMA)
        places = ", ".join("?" * (COLUMNS.count(",") + 1))
        cache.executemany(
            f"INSERT INTO symbol ({COLUMNS}) VALUES ({places})", map(_to_row, decoded.symbols)
        )
        cache.executemany(
            "INSERT OR IGNORE INTO export VALUES (?, ?, ?)",
            ((export.name, export.gpl, export.namespace) for export in decoded.exports),
        )
        cache.executemany("INSERT INTO btf_function VALUES (?, ?)", decoded.functions)
        cache.executemany("INSERT INTO btf_type VALUES (?, ?)", decoded.types)
        cache.execute("INSERT INTO btf VALUES (?, ?)", (decoded.btf, decoded.offsets.tobytes()))
        cache.executescript(_INDEXES)
        cache.execute(f"PRAGMA user_version = {len(decoded.symbols)}")


@contextlib.contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a new database in the empty file ``path``. Raise EnvironmentMissing if that fails."""
    try:
        with closing(sqlite3.connect(path)) as made:
            made.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            yield made
            made.commit()
    except sqlite3.Error as error:
        raise EnvironmentMissing(
            f"cannot write {path}: {error}", hint="is the disk full? see: lppack cache"
        ) from error


Row = tuple[str, int, str, int, int, int, int | None]


def _to_row(s: Symbol) -> Row:
    return (s.name, signed(s.address), s.type, s.sympos, s.traceable, s.init, s.size)


def signed(address: int) -> int:
    """Return an address as a signed integer for SQLite: kernel addresses use the top bit."""
    return address - (1 << 64) if address >> 63 else address


def from_rows(rows: Iterable[Row]) -> tuple[Symbol, ...]:
    """Return the symbols of a query for COLUMNS."""
    return tuple(
        Symbol(
            name=name,
            address=address % (1 << 64),
            type=kind,
            sympos=sympos,
            traceable=bool(traceable),
            init=bool(init),
            size=size,
        )
        for name, address, kind, sympos, traceable, init, size in rows
    )
