# SPDX-License-Identifier: MIT
"""Which functions were inlined into others, by the debug package; cached after the first read.

Only of vmlinux: the debug files of modules are not read.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.kernel.cache import database, signed
from lppack.kernel.errors import FactsError
from lppack.kernel.symbols import Symbol, is_clone

if TYPE_CHECKING:
    from lppack.kernel.dwarf import Code, Origin

#: Part of the file's name: raise it when a table or its contents change.
FORMAT = 1

_SCHEMA = """
CREATE TABLE origin (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL
) STRICT;
CREATE TABLE code (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, sympos INTEGER NOT NULL,
    address INTEGER NOT NULL, init INTEGER NOT NULL, traceable INTEGER NOT NULL,
    origin INTEGER NOT NULL
) STRICT;
CREATE TABLE inlined (
    origin INTEGER NOT NULL, code INTEGER NOT NULL, PRIMARY KEY (origin, code)
) STRICT, WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX origin_name ON origin (name);
CREATE INDEX code_address ON code (address);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A function with a symbol, into which another function was inlined."""

    name: str
    sympos: int
    address: int
    file: str  # "kernel/sys.c"; "" if not known
    traceable: bool


class Inlining:
    """What one kernel's debug information says, read from the cache."""

    def __init__(self, cache: sqlite3.Connection) -> None:
        self._cache = cache

    def close(self) -> None:
        self._cache.close()

    def holders(self, name: str, file: str | None = None) -> tuple[Holder, ...]:
        """Return the functions that ``name`` was inlined into, sorted.

        ``name`` itself and __init functions are left out. ``file`` picks one of several functions
        of that name; None: all of them.
        """
        rows = self._cache.execute(
            "SELECT DISTINCT code.name, code.sympos, code.address, own.file, code.traceable"
            " FROM origin JOIN inlined ON inlined.origin = origin.number"
            " JOIN code ON code.number = inlined.code"
            " JOIN origin AS own ON own.number = code.origin"
            " WHERE origin.name = ? AND (? IS NULL OR origin.file = ?) AND NOT code.init"
            " AND NOT (own.name = origin.name AND own.file = origin.file AND code.name = own.name)"
            " ORDER BY code.name, code.sympos",
            (name, file, file),
        )
        return tuple(
            Holder(
                name=holder,
                sympos=sympos,
                address=address % (1 << 64),
                file=own,
                traceable=bool(traceable),
            )
            for holder, sympos, address, own, traceable in rows
        )

    def knows(self, name: str) -> bool:
        """Return True if the kernel's code has a function of that name, inlined copies included."""
        found = self._cache.execute("SELECT 1 FROM origin WHERE name = ? LIMIT 1", (name,))
        return found.fetchone() is not None

    def file_of(self, symbol: Symbol) -> str | None:
        """Return the source file that defines ``symbol``; None if unknown, as for assembler."""
        row = self._cache.execute(
            "SELECT file FROM code JOIN origin ON origin.number = origin WHERE address = ?",
            (signed(symbol.address),),
        ).fetchone()
        return row[0] or None if row else None


def open_inlining(path: Path) -> Inlining | None:
    """Return the cached result; None if there is none or the file is damaged."""
    if not path.is_file():
        return None
    cache = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        (said,) = cache.execute("PRAGMA user_version").fetchone()
        (last,) = cache.execute("SELECT max(number) FROM code").fetchone()
    except sqlite3.Error:
        said = last = None
    if said and said == last:
        return Inlining(cache)
    cache.close()
    return None


def write_inlining(
    path: Path, symbols: Iterable[Symbol], functions: "Iterable[Code]", what: str
) -> None:
    """Write ``functions`` into the empty file ``path``. Raise FactsError if many have no symbol."""
    at: dict[int, list[Symbol]] = {}
    for symbol in symbols:
        at.setdefault(symbol.address, []).append(symbol)
    origins: dict[Origin, int] = {}
    codes: list[tuple[int, str, int, int, bool, bool, int]] = []
    lost = 0
    with database(path) as draft:
        draft.executescript(_SCHEMA)
        for code in functions:
            symbol_of = _symbol(code, at)
            if symbol_of is None:
                lost += 1
                continue
            own = origins.setdefault(code.origin, len(origins) + 1)
            codes.append(_row(len(codes) + 1, symbol_of, own))
            draft.executemany(
                "INSERT OR IGNORE INTO inlined VALUES (?, ?)",
                [(origins.setdefault(o, len(origins) + 1), len(codes)) for o in code.inlined],
            )
        # Weak functions that were overridden leave code without a symbol: 124 of 45,000 in 6.1.
        if lost * 50 > len(codes) or not codes:
            raise FactsError(
                f"{what}: {lost} of its {lost + len(codes)} functions have no symbol in the kernel"
            )
        draft.executemany("INSERT INTO code VALUES (?, ?, ?, ?, ?, ?, ?)", codes)
        draft.executemany(
            "INSERT INTO origin VALUES (?, ?, ?, ?)",
            [(number, o.name, _relative(o.file), o.line) for o, number in origins.items()],
        )
        draft.executescript(_INDEXES)
        draft.execute(f"PRAGMA user_version = {len(codes)}")


def _row(number: int, symbol: Symbol, origin: int) -> tuple[int, str, int, int, bool, bool, int]:
    address = signed(symbol.address)
    return number, symbol.name, symbol.sympos, address, symbol.init, symbol.traceable, origin


def _symbol(code: "Code", at: Mapping[int, Sequence[Symbol]]) -> Symbol | None:
    """Return the symbol of the code, not of its cold blocks or an alias; None if there is none."""
    name = code.origin.name
    near = [symbol for start in code.starts for symbol in at.get(start, ())]
    near = [symbol for symbol in near if not symbol.name.endswith(".cold")]
    for symbol in near:
        if symbol.name == name:
            return symbol
    return next((symbol for symbol in near if is_clone(symbol.name, name)), None)


def _relative(file: str) -> str:
    return file.removeprefix("./")
