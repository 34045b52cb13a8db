# SPDX-License-Identifier: MIT
"""The functions and variables of one C file in one object of a kernel.

They are found by the file's own object code, not by name, because other files may use the same
names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lppack.csource.changes import Changes
from lppack.kernel.facts import Facts, Symbol, SymbolVerdict
from lppack.proof.match import Matched
from lppack.proof.objects import ObjectFile

#: Returns a file before and after the change; None if the kernel's sources have none.
Files = Callable[[str], Changes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function to replace."""

    name: str
    path: str  # of the C file that is compiled
    object: str  # "vmlinux" or a module
    sympos: int | None  # None: it is the only one of that name
    covers: tuple[str, ...]  # functions that the diff changes, whose code it has
    new: str = ""  # name of the replacement

    @property
    def replacement(self) -> str:
        return self.new or f"lp_{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cannot:
    """A part that could not be drafted, with the reason and a hint."""

    what: str
    why: str
    way: str
    path: str = ""
    line: int = 0  # 0: not one line


class Places:
    """The symbols of ``object_`` that come from a file; ``code``: its unchanged object code.

    ``matched``: its functions in the kernel, as far as they were compared.
    """

    def __init__(
        self,
        facts: Facts,
        object_: str,
        code: ObjectFile,
        matched: Mapping[str, Matched] | None = None,
    ) -> None:
        self.facts = facts
        self.object = object_
        self.code = code
        self.module = None if object_ == "vmlinux" else object_
        self._matched = matched or {}
        self._aliases = {
            alias: function.name
            for function in code.functions.values()
            for alias in function.aliases
        }

    def symbol(self, name: str) -> tuple[SymbolVerdict, Symbol | None]:
        """Find the kernel's symbol of the file's ``name``, and whether it can be replaced."""
        function = self.code.functions.get(self._aliases.get(name, name))
        if function is not None:
            found = self._matched.get(function.name)
            symbol = found.symbol if found else None
            if found is not None and symbol is None:
                # The kernel's function of that name has other code.
                return SymbolVerdict.AMBIGUOUS, None
            if symbol is None or symbol.name != name:
                symbol = self._alone(name)
            if symbol is None:
                return SymbolVerdict.AMBIGUOUS, None
            if function.init:
                return SymbolVerdict.INIT, symbol
            return (
                SymbolVerdict.PATCHABLE if function.traceable else SymbolVerdict.UNTRACEABLE,
                symbol,
            )
        if name in self.code.data:
            symbol = self._alone(name) or self._seen(name)
            return (SymbolVerdict.PATCHABLE if symbol else SymbolVerdict.AMBIGUOUS), symbol
        if any(one.base == name for one in self.code.functions.values()):
            return SymbolVerdict.CLONE_ONLY, None
        if not self.code.functions:  # the file is new, or part of another object
            home, sympos = self.home(name)
            module = None if home == "vmlinux" else home
            copies = self.facts.module_copies(module, name) if module else self.facts.copies(name)
            if copies and sympos != 0:
                return SymbolVerdict.PATCHABLE, copies[(sympos or 1) - 1]
        return SymbolVerdict.MISSING, None

    def overridden(self, name: str) -> bool:
        """Return True if the file's function is weak, and another file overrides it."""
        found = self._matched.get(self._aliases.get(name, name))
        return found is not None and found.symbol is None and found.expected

    def copies(self, name: str) -> tuple[Symbol, ...]:
        """Return all symbols of that name in the object."""
        if self.module is None:
            return self.facts.copies(name)
        return self.facts.module_copies(self.module, name)

    def _alone(self, name: str) -> Symbol | None:
        copies = self.copies(name)
        return copies[0] if len(copies) == 1 else None

    def _seen(self, name: str) -> Symbol | None:
        """Return the symbol of that name to which the file's functions refer; None: not known."""
        places = {
            found.leads[name]
            for found in self._matched.values()
            if found.symbol and name in found.leads
        }
        here = [copy for copy in self.copies(name) if copy.address in places]
        return here[0] if len(here) == 1 else None

    def home(self, name: str) -> tuple[str, int | None]:
        """Return the object that defines a used symbol, or the module that exports it, and the
        symbol's position: None if its name is unique, 0 if the position is not known."""
        facts = self.facts
        if self.module is not None:
            if copies := facts.module_copies(self.module, name):
                return self.module, _global(copies)
            export = facts.exported(name)
            depends = facts.depends(self.module)
            if export is not None and export.module in depends:
                return export.module, _global(facts.module_copies(export.module, name))
            for other in sorted(depends):
                if facts.has_module(other) and (copies := facts.module_copies(other, name)):
                    return other, _global(copies)
        return "vmlinux", _global(facts.copies(name))

    def is_a_tag(self, name: str, home: str) -> bool:
        """Return True if a struct or union has the same name as a module's variable."""
        if home == "vmlinux" or all(s.type in "tT" for s in self.facts.module_copies(home, name)):
            return False
        found = (self.facts.layouts(f"{word} {name}", module=home) for word in ("struct", "union"))
        return any(found)

    def several(self, name: str) -> bool:
        """Return True if the symbol needs a position, because its name is not unique."""
        return len(self.copies(name)) > 1


def _global(copies: tuple[Symbol, ...]) -> int | None:
    """Return the position of the only global symbol, 0 if unclear; None if the name is unique."""
    if len(copies) <= 1:
        return None
    every = [copy for copy in copies if copy.type.isupper()]
    return every[0].sympos if len(every) == 1 else 0
