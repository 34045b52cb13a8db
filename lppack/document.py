# SPDX-License-Identifier: MIT
"""A manifest as written: plain data, and the line and column of each part."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lppack.errors import Level, Problem

Pointer = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The result of ``load``. The data may have any shape: accessors skip parts that are
    ill-formed."""

    path: Path
    shown: str  # the path, as printed in messages
    data: Any
    values: Mapping[Pointer, Place]
    keys: Mapping[Pointer, Place]

    @property
    def folder(self) -> Path:
        return self.path.parent

    def place(self, pointer: Pointer, *, key: bool = False) -> Place:
        """Return the place of the value (or the key) at ``pointer``, or else of the nearest
        parent."""
        table = self.keys if key else self.values
        while pointer:
            if pointer in table:
                return table[pointer]
            pointer, table = pointer[:-1], self.values
        return self.values.get((), (1, 1))

    def problem(
        self,
        pointer: Pointer,
        rule: str,
        message: str,
        *,
        hint: str | None = None,
        level: Level = Level.ERROR,
        key: bool = False,
    ) -> Problem:
        line, column = self.place(pointer, key=key)
        return Problem(
            file=self.shown,
            line=line,
            column=column,
            level=level,
            rule=rule,
            message=message,
            hint=hint,
        )

    def at(self, *pointer: str | int) -> Any:
        """Return the value at ``pointer``, or None."""
        value = self.data
        for step in pointer:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def text(self, *pointer: str | int) -> str | None:
        """Return the string at ``pointer``; None if there is no string."""
        value = self.at(*pointer)
        return value if isinstance(value, str) else None

    def strings(self, *pointer: str | int) -> Iterator[tuple[Pointer, str]]:
        """Yield the strings of the list at ``pointer``."""
        for index, value in self._items(pointer):
            if isinstance(value, str):
                yield (*pointer, index), value

    def mappings(self, *pointer: str | int) -> Iterator[tuple[Pointer, dict[str, Any]]]:
        """Yield the mappings of the list at ``pointer``."""
        for index, value in self._items(pointer):
            if isinstance(value, dict):
                yield (*pointer, index), value

    def _items(self, pointer: Pointer) -> Iterator[tuple[int, Any]]:
        value = self.at(*pointer)
        if isinstance(value, list):
            yield from enumerate(value)
