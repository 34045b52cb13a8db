# SPDX-License-Identifier: MIT
"""The headers that a file of the kernel takes from its own place in the tree."""

import posixpath
import re
from collections.abc import Callable, Iterator

from lppack.csource.items import Item, Kind, Unit
from lppack.drafting.extract import Extract

#: The kernel's header of that path; None: its sources have none.
Header = Callable[[str], Unit | None]

_QUOTED = re.compile(r'#\s*include\s+"([^"]+)"')


class Private:
    """Those of them that say what something means that is written, or that such a header needs."""

    def __init__(self, made: Extract, header: Header) -> None:
        self._header = header
        self._path = made.unit.path
        items = [made.unit.items[at] for at in made.forms] + made.fresh
        used = {name for item in items for name in item.uses}
        direct = [own for own in self._inside(made.unit) if own]
        self._taken: list[str] = []
        grown = True
        while grown:
            grown = False
            for path in direct:
                if path not in self._taken and self._gives(path, used, set()):
                    self._taken.append(path)
                    used |= {n for p in self._with_inner(path) for n in self._uses(p)}
                    grown = True

    @property
    def folders(self) -> tuple[str, ...]:
        """Where they are, with what they include."""
        every = {inner for path in self._taken for inner in self._with_inner(path)}
        return tuple(sorted({posixpath.dirname(path) for path in every}))

    def include(self, item: Item) -> str | None:
        """The line as it must read outside of the kernel's tree; None: nothing of it is used."""
        own = self._own(item.text, self._path)
        if own is None:
            return item.text
        return f'#include "{own}"' if own in self._taken else None

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
            yield from item.uses

    def _with_inner(self, path: str) -> set[str]:
        found, todo = set[str](), [path]
        while todo:
            unit = self._header(here := todo.pop())
            if unit is not None and here not in found:
                found.add(here)
                todo += [own for own in self._inside(unit) if own]
        return found

    def _inside(self, unit: Unit) -> list[str | None]:
        """What it includes; None: a public header."""
        return [self._own(i.text, unit.path) for i in unit.items if i.kind is Kind.INCLUDE]

    def _own(self, text: str, path: str) -> str | None:
        """The path in the tree of a header that is not below include/; None: it is, or is not
        there."""
        match = _QUOTED.match(text)
        if match is None:
            return None
        own = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
        public = own.startswith(("include/", "../"))
        return own if not public and own.endswith(".h") and self._header(own) else None
