# SPDX-License-Identifier: MIT
"""All facts of a kernel that can be read without running it.

The symbols of vmlinux are decoded once and kept in the cache, under the checksum of the vmlinuz.
"""

import difflib
import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lppack import entries, store
from lppack.errors import EnvironmentMissing
from lppack.kernel.cache import COLUMNS, FORMAT, from_rows, open_cache, signed, write_cache
from lppack.kernel.errors import FactsError
from lppack.kernel.exports import Export, find_export
from lppack.kernel.image import parse_image
from lppack.kernel.inlining import FORMAT as INLINING_FORMAT
from lppack.kernel.inlining import Inlining, open_inlining
from lppack.kernel.modules import KernelModule, index_modules, open_module, read_module
from lppack.kernel.symbols import PADDING, Symbol, SymbolVerdict, is_clone, verdict
from lppack.model import Kernel

if TYPE_CHECKING:
    from lppack.kernel.btf import Layout
    from lppack.kernel.btf_types import Types
    from lppack.kernel.elf64 import Elf

__all__ = ["Export", "Facts", "FactsError", "Symbol", "SymbolVerdict", "open_facts", "verdict"]

_FUNCTION = "tTwW"


class Facts:
    """What is known of one kernel and of its modules; a context manager, or call close().

    ``module`` is a module's name in the kernel ("loop"), or the path of any .ko. Most methods
    raise FactsError if there is no such module, or if it cannot be read with certainty.
    """

    #: What was inlined in vmlinux; None: its debug package was never read.
    inlining: Inlining | None = None

    def __init__(self, cache: sqlite3.Connection, kernel: Kernel) -> None:
        self.release = kernel.release  # for messages
        self._cache = cache
        self.kernel = kernel
        self._read: dict[Path, KernelModule] = {}
        self._opened: dict[Path, Elf] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the cache files."""
        self._cache.close()
        if self.inlining:
            self.inlining.close()

    def symbols(self) -> tuple[Symbol, ...]:
        """Return every symbol of vmlinux, in the order of /proc/kallsyms."""
        return from_rows(self._cache.execute(f"SELECT {COLUMNS} FROM symbol ORDER BY seq"))

    def copies(self, name: str) -> tuple[Symbol, ...]:
        """Return every symbol of vmlinux with that name, in the order of sympos."""
        return from_rows(
            self._cache.execute(
                f"SELECT {COLUMNS} FROM symbol WHERE name = ? ORDER BY seq", (name,)
            )
        )

    def clones(self, name: str) -> tuple[str, ...]:
        """Return the names of the changed copies of a function in vmlinux, such as NAME.isra.0."""
        # "/" is the character after ".": an index range, where LIKE would read the whole table.
        rows = self._cache.execute(
            "SELECT DISTINCT name FROM symbol WHERE name >= ? AND name < ? ORDER BY name",
            (f"{name}.", f"{name}/"),
        )
        return tuple(found for (found,) in rows if is_clone(found, name))

    def similar(
        self,
        name: str,
        limit: int = 3,
        *,
        module: str | Path | None = None,
        variables: bool = False,
    ) -> tuple[str, ...]:
        """Return up to ``limit`` functions whose names are nearest to ``name``.

        They are of vmlinux, or of ``module``. With ``variables``, variables are included.
        """
        if module is not None:
            symbols = self._module(module).symbols
            names = {s.name for s in symbols if variables or s.type in _FUNCTION}
        else:
            kind = "NOT init" if variables else "traceable AND NOT init"
            rows = self._cache.execute(
                f"SELECT DISTINCT name FROM symbol WHERE {kind} AND length(name) BETWEEN ? AND ?",
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
        """Return the functions before and after ``symbol``, which show its source file."""
        if module is not None:
            return self._module_neighbours(symbol, module)
        row = self._cache.execute(
            "SELECT seq FROM symbol WHERE name = ? AND sympos = ?", (symbol.name, symbol.sympos)
        ).fetchone()
        if row is None:
            return None, None
        near = (
            "SELECT name FROM symbol WHERE type IN ('t', 'T', 'w', 'W') AND name != ?"
            f" AND name NOT GLOB '{PADDING}*'"
        )
        before = self._cache.execute(
            f"{near} AND seq < ? ORDER BY seq DESC LIMIT 1", (symbol.name, *row)
        ).fetchone()
        after = self._cache.execute(
            f"{near} AND seq > ? ORDER BY seq LIMIT 1", (symbol.name, *row)
        ).fetchone()
        return before and before[0], after and after[0]

    def aliases(self, symbol: Symbol, *, module: str | Path | None = None) -> tuple[str, ...]:
        """Return the other names at the symbol's address."""
        if module is not None:
            same = (
                other.name
                for other in self._module(module).symbols
                if (other.address, other.section) == (symbol.address, symbol.section)
            )
        else:
            rows = self._cache.execute(
                "SELECT name FROM symbol WHERE address = ? ORDER BY seq", (signed(symbol.address),)
            )
            same = (name for (name,) in rows)
        return tuple(dict.fromkeys(name for name in same if name != symbol.name))

    def exported(self, name: str) -> Export | None:
        """Return how vmlinux or a module exports ``name``; None if none is known to export it.

        The exports of modules are known only where the kernel's headers are on disk.
        """
        row = self._cache.execute(
            "SELECT gpl, namespace FROM export WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            return find_export(self.kernel.headers / "Module.symvers", name)
        return Export(name=name, gpl=bool(row[0]), module=None, namespace=row[1])

    def prototypes(self, name: str, *, module: str | Path | None = None) -> tuple[str, ...]:
        """Return C declarations of that function: several if copies differ; () if not known.

        BTF does not say which copy has which declaration. From 6.3 on, the kernel's build omits
        functions whose copies differ in types, and takes parameter names from one of the copies.
        """
        return self._types.prototypes(name, self._file(module))

    def signatures(
        self, name: str, *, module: str | Path | None = None
    ) -> tuple[tuple[str, ...], ...]:
        """Return the same functions as prototypes(), each as Btf.signature() describes it."""
        return self._types.signatures(name, self._file(module))

    def layouts(self, name: str, *, module: str | Path | None = None) -> "tuple[Layout, ...]":
        """Return layouts of "struct NAME", "union NAME" or a typedef of an unnamed one.

        There are several if parts of the kernel use one name for different types; () if not known.
        """
        return self._types.layouts(name, self._file(module))

    def modules_with(self, function: str) -> tuple[str, ...]:
        """Return the modules with a function of that name; the first time takes seconds."""
        from lppack.kernel.whereabouts import modules_with

        return modules_with(function, self.kernel.version, self._modules)

    def modules_with_variable(self, variable: str) -> tuple[str, ...]:
        """Return the modules with a variable of that name; the first time takes seconds."""
        from lppack.kernel.whereabouts import modules_with_variable

        return modules_with_variable(variable, self.kernel.version, self._modules)

    def has_module(self, module: str | Path) -> bool:
        """Return True if there is a file of that module."""
        return self._path(module) is not None

    def module_folder(self, module: str) -> str | None:
        """Return the folder of a module's file, which resembles that of its sources: "net/ipv4".

        Return None if there is no such module, or if it is not part of the kernel's package.
        """
        path = self._modules.get(module)
        parts = path.relative_to(self.kernel.modules).parts[:-1] if path else ()
        return "/".join(parts[1:]) if parts[:1] == ("kernel",) else None

    def module_path(self, module: str | Path) -> Path:
        """Return the file of the module. Raise FactsError if there is none."""
        return self._module(module).path

    def module_copies(self, module: str | Path, name: str) -> tuple[Symbol, ...]:
        """Return every symbol of the module with that name, in the order of sympos."""
        return self._module(module).copies(name)

    def module_clones(self, module: str | Path, name: str) -> tuple[str, ...]:
        """Return the names of the compiler's changed copies of a function in the module."""
        return tuple(
            sorted({s.name for s in self._module(module).symbols if is_clone(s.name, name)})
        )

    def depends(self, module: str | Path) -> frozenset[str]:
        """Return the modules that ``module`` depends on, directly or through others."""
        found: set[str] = set()
        todo = [*self._module(module).depends]
        while todo:
            if (name := todo.pop()) not in found:
                found.add(name)
                todo += self._module(name).depends if self.has_module(name) else ()
        return frozenset(found)

    def _module_neighbours(
        self, symbol: Symbol, module: str | Path
    ) -> tuple[str | None, str | None]:
        symbols = self._module(module).symbols
        if symbol not in symbols:
            return None, None
        place = symbols.index(symbol)

        def first(of: Iterable[Symbol]) -> str | None:
            names = (s.name for s in of if s.type in _FUNCTION and s.name != symbol.name)
            return next((name for name in names if not name.startswith(PADDING)), None)

        return first(reversed(symbols[:place])), first(symbols[place + 1 :])

    @cached_property
    def _modules(self) -> dict[str, Path]:
        return index_modules(self.kernel.modules)

    @cached_property
    def _types(self) -> "Types":
        from lppack.kernel.btf_types import Types

        return Types(self._cache, f"vmlinux of {self.release}")

    def _file(self, module: str | Path | None) -> "tuple[Path, Elf] | None":
        if module is None:
            return None
        path = self._module(module).path
        if path not in self._opened:
            self._opened[path] = open_module(path)
        return path, self._opened[path]

    def _path(self, module: str | Path) -> Path | None:
        if isinstance(module, Path):
            return module if module.is_file() else None
        return self._modules.get(module.replace("-", "_"))

    def _module(self, module: str | Path) -> KernelModule:
        path = self._path(module)
        if path is None:
            raise FactsError(
                f"there is no module {str(module)!r} in {self.kernel.modules}",
                hint="it may be built into the kernel: then the object is vmlinux",
            )
        if path not in self._read:
            self._read[path] = read_module(path)
        return self._read[path]


def open_facts(kernel: Kernel, *, deep: Callable[[str], None] | None = None) -> Facts:
    """Return the facts of that kernel; the first time takes seconds, later times milliseconds.

    ``deep``: read the kernel's debug package too, unless it was read before, and print each step
    with this function. None: the facts of the debug package are there only if it was read before.
    Raise EnvironmentMissing or FactsError.
    """
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
    key = hashlib.sha256(data).hexdigest()
    path = store.cache_dir() / "facts" / f"{key}-v{FORMAT}.sqlite"

    def decoded(draft: Path) -> None:
        from lppack.kernel.vmlinux import decode

        write_cache(draft, decode(image.vmlinux()))

    cache = open_cache(entries.ensure_file(path, decoded))
    if cache is None:
        raise EnvironmentMissing(f"cannot read {path}, which was just written")
    facts = Facts(cache, kernel)
    debug = path.with_name(f"{key}-inlining-v{INLINING_FORMAT}.sqlite")
    facts.inlining = open_inlining(debug) if entries.use(debug) else None
    if facts.inlining is None and deep is not None:
        from lppack.kernel.debug import read_inlining

        facts.inlining = read_inlining(debug, kernel, facts.symbols, image, deep)
    return facts
