# SPDX-License-Identifier: MIT
"""The private headers of a kernel file: those in its own folders of the tree."""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence

from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.drafting.extract import Extract

#: Returns the kernel's header of a path; None if it does not exist.
Header = Callable[[str], ParsedFile | None]

_NAMED = re.compile(r'#\s*include\s+(?P<sign>["<])(?P<name>[^">]+)')
_PUBLIC = ("include/", "arch/x86/include/", "../")


class Private:
    """The private headers that define names of the written code, and their dependencies."""

    def __init__(
        self,
        made: Extract,
        header: Header,
        folders: Sequence[str] = (),
        *,
        every: bool = False,
    ) -> None:
        """``folders`` are those in which the file's Makefile lets the compiler look (-I). With
        ``every`` all are taken: one may need what another says, and not include it."""
        self._header = header
        self._folders = [folder for folder in folders if not f"{folder}/".startswith(_PUBLIC)]
        self._path = made.unit.path
        items = [made.unit.items[at] for at in made.forms] + made.fresh
        used = {name for item in items for name in item.uses | item.asks}
        direct = [own for own in self._inside(made.unit) if own]
        self._taken: list[str] = direct if every else []
        grown = not every
        while grown:
            grown = False
            for path in direct:
                if path not in self._taken and self._gives(path, used, set()):
                    self._taken.append(path)
                    used |= {n for p in self._with_inner(path) for n in self._uses(p)}
                    grown = True

    @property
    def folders(self) -> tuple[str, ...]:
        """Where they are, with what they include; and where the compiler looks for some."""
        every = {inner for path in self._taken for inner in self._with_inner(path)}
        found = {posixpath.dirname(path) for path in every}
        found |= {f for f in self._folders if any(path.startswith(f"{f}/") for path in every)}
        return tuple(sorted(found))

    def include(self, item: Item) -> str | None:
        """Return the #include line for use outside the kernel's tree; None if the header is not
        needed."""
        own = self._own(item.text, self._path)
        if own is None:
            return item.text
        # Below include/ there may be one of the same path, which the compiler finds first.
        return f'#include "kernel_headers/{own}"' if own in self._taken else None

    def _gives(self, path: str, used: set[str], seen: set[str]) -> bool:
        """Whether it, or one that it includes, says what one of the names means; a public one that
        it includes may."""
        unit = self._header(path)
        if unit is None or path in seen:
            return False
        seen.add(path)
        if used & unit.by_name.keys():
            return True
        return any(own is None or self._gives(own, used, seen) for own in self._inside(unit))

    def _uses(self, path: str) -> Iterator[str]:
        unit = self._header(path)
        for item in unit.items if unit else ():
            yield from item.uses | item.asks

    def _with_inner(self, path: str) -> set[str]:
        found, todo = set[str](), [path]
        while todo:
            unit = self._header(here := todo.pop())
            if unit is not None and here not in found:
                found.add(here)
                todo += [own for own in self._inside(unit) if own]
        return found

    def _inside(self, unit: ParsedFile) -> list[str | None]:
        """Return the files that ``unit`` includes; None stands for a public header."""
        return [self._own(i.text, unit.path) for i in unit.items if i.kind is ItemKind.INCLUDE]

    def _own(self, text: str, path: str) -> str | None:
        """Return the path of a header outside of include/; None if there is none."""
        match = _NAMED.match(text)
        if match is None:
            return None
        beside = [posixpath.dirname(path)] if match["sign"] == '"' else []
        for folder in (*beside, *self._folders):
            own = posixpath.normpath(posixpath.join(folder, match["name"]))
            if own.startswith(_PUBLIC):
                return None
            if own.endswith(".h") and self._header(own):
                return own
        return None
