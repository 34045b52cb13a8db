# SPDX-License-Identifier: MIT
"""What can be known of a kernel without running it: one door to all of it.

The symbols of vmlinux are decoded once and kept in the cache, under the checksum of the vmlinuz.
"""

import difflib
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Self

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.kernel.errors import FactsError
from lppack.kernel.image import parse_image
from lppack.kernel.modules import Module, index_modules, read_module
from lppack.kernel.symbols import Symbol, Verdict, is_clone, verdict
from lppack.kernel.vmlinux import read_symbols
from lppack.model import Kernel

__all__ = ["Facts", "FactsError", "Symbol", "Verdict", "open_facts", "verdict"]

#: Part of the cache file's name: raise it when the decoder or the table changes.
_FORMAT = 1

_SCHEMA = """
CREATE TABLE symbol (
    seq INTEGER PRIMARY KEY, name TEXT NOT NULL, address INTEGER NOT NULL, type TEXT NOT NULL,
    sympos INTEGER NOT NULL, traceable INTEGER NOT NULL, init INTEGER NOT NULL, size INTEGER
) STRICT;
"""
_COLUMNS = "name, address, type, sympos, traceable, init, size"
_FUNCTION = "tTwW"


class Facts:
    """The symbols of one kernel and of its modules; a context manager, or close() it.

    A module is named as the kernel names it ("loop"), or given as the path of any .ko.
    """

    def __init__(self, cache: sqlite3.Connection, modules: Path, release: str = "") -> None:
        self.release = release  # for messages
        self._cache = cache
        self._directory = modules
        self._index: dict[str, Path] | None = None  # None: not looked for yet
        self._read: dict[Path, Module] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the cache file."""
        self._cache.close()

    def symbols(self) -> tuple[Symbol, ...]:
        """Every symbol of vmlinux, in the order of /proc/kallsyms."""
        rows = self._cache.execute(f"SELECT {_COLUMNS} FROM symbol ORDER BY seq")
        return tuple(_from_row(row) for row in rows)

    def copies(self, name: str) -> tuple[Symbol, ...]:
        """Every symbol of vmlinux with that name, in the order of sympos."""
        rows = self._cache.execute(
            f"SELECT {_COLUMNS} FROM symbol WHERE name = ? ORDER BY seq", (name,)
        )
        return tuple(_from_row(row) for row in rows)

    def clones(self, name: str) -> tuple[str, ...]:
        """Names in vmlinux that are changed copies of a function, as NAME.isra.0."""
        # "/" is the character after ".": an index range, where LIKE would read the whole table.
        rows = self._cache.execute(
            "SELECT DISTINCT name FROM symbol WHERE name >= ? AND name < ? ORDER BY name",
            (f"{name}.", f"{name}/"),
        )
        return tuple(found for (found,) in rows if is_clone(found, name))

    def similar(
        self, name: str, limit: int = 3, *, module: str | Path | None = None
    ) -> tuple[str, ...]:
        """Functions of vmlinux (or of a module) whose names are nearest to ``name``."""
        if module is not None:
            names = {s.name for s in self._module(module).symbols if s.type in _FUNCTION}
        else:
            rows = self._cache.execute(
                "SELECT DISTINCT name FROM symbol WHERE traceable AND NOT init"
                " AND length(name) BETWEEN ? AND ?",
                (len(name) * 5 // 8, len(name) * 8 // 5 + 1),
            )
            names = {found for (found,) in rows}
        near = difflib.get_close_matches(name, sorted(names - {name}), limit * 4, cutoff=0.7)
        words = set(name.split("_"))
        near.sort(key=lambda found: not words <= set(found.split("_")))
        return tuple(near[:limit])

    def neighbours(
        self, symbol: Symbol, *, module: str | Path | None = None
    ) -> tuple[str | None, str | None]:
        """Names of the functions before and after; they tell which source file a copy is from."""
        if module is not None:
            return self._module_neighbours(symbol, module)
        row = self._cache.execute(
            "SELECT seq FROM symbol WHERE name = ? AND sympos = ?", (symbol.name, symbol.sympos)
        ).fetchone()
        if row is None:
            return None, None
        near = "SELECT name FROM symbol WHERE type IN ('t', 'T', 'w', 'W') AND name != ?"
        before = self._cache.execute(
            f"{near} AND seq < ? ORDER BY seq DESC LIMIT 1", (symbol.name, *row)
        ).fetchone()
        after = self._cache.execute(
            f"{near} AND seq > ? ORDER BY seq LIMIT 1", (symbol.name, *row)
        ).fetchone()
        return before and before[0], after and after[0]

    def has_module(self, module: str | Path) -> bool:
        """Is there a file of that module?"""
        return self._path(module) is not None

    def module_copies(self, module: str | Path, name: str) -> tuple[Symbol, ...]:
        """Every symbol of the module with that name, in the order of sympos."""
        return self._module(module).copies(name)

    def module_clones(self, module: str | Path, name: str) -> tuple[str, ...]:
        """Names in the module that are changed copies of a function."""
        return tuple(
            sorted({s.name for s in self._module(module).symbols if is_clone(s.name, name)})
        )

    def _module_neighbours(
        self, symbol: Symbol, module: str | Path
    ) -> tuple[str | None, str | None]:
        symbols = self._module(module).symbols
        if symbol not in symbols:
            return None, None
        place = symbols.index(symbol)

        def first(of: Iterable[Symbol]) -> str | None:
            return next((s.name for s in of if s.type in _FUNCTION and s.name != symbol.name), None)

        return first(reversed(symbols[:place])), first(symbols[place + 1 :])

    def _path(self, module: str | Path) -> Path | None:
        if isinstance(module, Path):
            return module if module.is_file() else None
        if self._index is None:
            self._index = index_modules(self._directory)
        return self._index.get(module.replace("-", "_"))

    def _module(self, module: str | Path) -> Module:
        path = self._path(module)
        if path is None:
            raise FactsError(
                f"there is no module {str(module)!r} in {self._directory}",
                hint="it may be built into the kernel: then the object is vmlinux",
            )
        if path not in self._read:
            self._read[path] = read_module(path)
        return self._read[path]


def open_facts(kernel: Kernel) -> Facts:
    """The facts of that kernel; the first time takes seconds, later times milliseconds."""
    try:
        data = kernel.image.read_bytes()
    except OSError as error:
        raise EnvironmentMissing(
            f"cannot read the kernel image {kernel.image}: {error.strerror}",
            hint="run: lppack doctor",
        ) from error
    image = parse_image(data, kernel.image)
    if (image.release, image.version) != (kernel.release, kernel.version):
        raise FactsError(
            f"{kernel.image} is {image.release} {image.version}, "
            f"not {kernel.release} {kernel.version}",
            hint="if the package was upgraded since the machine started, start it again",
        )
    path = store.cache_dir() / "facts" / f"{hashlib.sha256(data).hexdigest()}-v{_FORMAT}.sqlite"
    cache = _open(path)
    if cache is None:
        symbols = read_symbols(image.vmlinux())
        try:
            _write(path, symbols)
        except (OSError, sqlite3.Error) as error:
            raise EnvironmentMissing(
                f"cannot write {path}: {error}", hint="is the disk full?"
            ) from error
        cache = _open(path)
        if cache is None:
            raise EnvironmentMissing(f"cannot read {path}, which was just written")
    return Facts(cache, kernel.modules, kernel.release)


def _open(path: Path) -> sqlite3.Connection | None:
    """The cache file, None if it is not there or is damaged."""
    if not path.is_file():
        return None
    cache = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        (said,) = cache.execute("PRAGMA user_version").fetchone()
        (count,) = cache.execute("SELECT count(*) FROM symbol").fetchone()
    except sqlite3.Error:
        said = count = 0
    if said == count > 0:
        return cache
    cache.close()
    return None


def _write(path: Path, symbols: tuple[Symbol, ...]) -> None:
    """``path`` appears with all symbols or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    draft = Path(name)
    try:
        with closing(sqlite3.connect(draft)) as cache:
            cache.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
            cache.executemany(
                f"INSERT INTO symbol ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                map(_to_row, symbols),
            )
            cache.execute("CREATE INDEX by_name ON symbol (name)")
            cache.execute(f"PRAGMA user_version = {len(symbols)}")
            cache.commit()
        draft.chmod(0o644)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


_Row = tuple[str, int, str, int, int, int, int | None]


def _to_row(s: Symbol) -> _Row:
    # SQLite's integers have a sign; kernel addresses use the top bit.
    address = s.address - (1 << 64) if s.address >> 63 else s.address
    return (s.name, address, s.type, s.sympos, s.traceable, s.init, s.size)


def _from_row(row: _Row) -> Symbol:
    name, address, kind, sympos, traceable, init, size = row
    return Symbol(
        name=name,
        address=address % (1 << 64),
        type=kind,
        sympos=sympos,
        traceable=bool(traceable),
        init=bool(init),
        size=size,
    )
