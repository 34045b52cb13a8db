# SPDX-License-Identifier: MIT
"""The file in which the facts of a vmlinux are kept: one SQLite database for each content."""

import os
import sqlite3
import tempfile
from array import array
from collections.abc import Iterable
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
    """The cache file, None if it is not there or is damaged."""
    if not path.is_file():
        return None
    cache = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        (said,) = cache.execute("PRAGMA user_version").fetchone()
        # The greatest, not the count: that would read the whole table.
        (last,) = cache.execute("SELECT max(seq) FROM symbol").fetchone()
    except sqlite3.Error:
        said = last = None
    if said and said == last:
        return cache
    cache.close()
    return None


def write_cache(path: Path, decoded: Decoded) -> None:
    """``path`` appears with all facts or not at all."""
    with Draft(path) as cache:
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


class Draft:
    """A new database beside ``path``, that takes its place when the block ends well."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        except OSError as error:
            raise self._failed(error) from error
        os.close(handle)
        self._draft = Path(name)
        self._cache = sqlite3.connect(self._draft)
        self._cache.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        return self._cache

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> None:
        try:
            with closing(self._cache):
                if kind is None:
                    self._cache.commit()
            if kind is None:
                self._draft.chmod(0o644)
                self._draft.replace(self._path)
        except (OSError, sqlite3.Error) as problem:
            raise self._failed(problem) from problem
        finally:
            self._draft.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> EnvironmentMissing:
        return EnvironmentMissing(f"cannot write {self._path}: {error}", hint="is the disk full?")


Row = tuple[str, int, str, int, int, int, int | None]


def _to_row(s: Symbol) -> Row:
    return (s.name, signed(s.address), s.type, s.sympos, s.traceable, s.init, s.size)


def signed(address: int) -> int:
    """SQLite's integers have a sign; kernel addresses use the top bit."""
    return address - (1 << 64) if address >> 63 else address


def from_rows(rows: Iterable[Row]) -> tuple[Symbol, ...]:
    """The symbols of a query for COLUMNS."""
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
