# SPDX-License-Identifier: MIT
"""Compare two compilations of one C file."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lppack.proof.kbuild import Unit
from lppack.proof.names import COUNTED
from lppack.proof.objects import Data, Function, ObjectFile


@dataclass(frozen=True, kw_only=True)
class UnitDifference:
    """One unit before and after; ``after`` is None where it no longer compiles."""

    unit: Unit
    before: ObjectFile | None  # None: the file is new, or does not compile as it was
    after: ObjectFile | None
    error: str = ""  # the compiler's, of whichever does not compile

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """Functions whose code or alignment differs, including the compiler's changed copies
        (NAME.isra.0)."""
        if self.before is None or self.after is None:
            return ()
        now = self.after.functions
        return tuple(
            name
            for name, function in self.before.functions.items()
            if name in now
            if (function.key, function.align) != (now[name].key, now[name].align)
        )

    @cached_property
    def added(self) -> tuple[str, ...]:
        return _missing(self._functions(self.after), self._functions(self.before))

    @cached_property
    def removed(self) -> tuple[str, ...]:
        return _missing(self._functions(self.before), self._functions(self.after))

    @cached_property
    def data(self) -> tuple[str, ...]:
        """Variables in both whose initial contents, size or alignment differ."""
        if self.before is None or self.after is None:
            return ()
        now = self.after.data
        return tuple(
            name
            for name, data in self.before.data.items()
            if name in now and _is_another(data, now[name])
        )

    @cached_property
    def removed_data(self) -> tuple[str, ...]:
        return _missing(self._data(self.before), self._data(self.after))

    @cached_property
    def others(self) -> tuple[str, ...]:
        """Sections that are neither functions nor variables: parameters, exports, initcalls."""
        if self.before is None or self.after is None:
            return ()
        was, now = self.before.others, self.after.others
        return tuple(sorted(name for name in {*was, *now} if was.get(name) != now.get(name)))

    @cached_property
    def added_data(self) -> tuple[str, ...]:
        return _missing(self._data(self.after), self._data(self.before))

    @property
    def registered(self) -> tuple[str, ...]:
        """Everything that the kernel or its tools could find by section."""
        return (*self.data, *self.others, *self.removed_data, *self.added_data)

    @property
    def identical(self) -> bool:
        """Whether the change has no effect on what is compiled from this file."""
        if self.before is None or self.after is None:
            return False
        return not (
            *self.changed,
            *self.added,
            *self.removed,
            *self.data,
            *self.removed_data,
            *self.others,
            *self.added_data,
        )

    def _functions(self, of: ObjectFile | None) -> Mapping[str, Function]:
        return of.functions if of else {}

    def _data(self, of: ObjectFile | None) -> Mapping[str, Data]:
        return of.data if of else {}


def _missing(of: Mapping[str, object], other: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(name for name in of if name not in other)


def _plain(data: Data) -> object:
    # -fdata-sections: what is static in a function has its number in the section, too.
    return data.key, data.size, COUNTED.sub("", data.section)


def _is_another(was: Data, now: Data) -> bool:
    # Where others come or go, a place among them says nothing about the alignment.
    aligned = was.align == now.align or was.beside != now.beside
    return _plain(was) != _plain(now) or not aligned
