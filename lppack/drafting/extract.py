# SPDX-License-Identifier: MIT
"""What must stand in the C of a live patch: the new functions, and what they need of their file."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from lppack.csource.changes import Changes
from lppack.csource.items import Item, Kind, Unit
from lppack.drafting.places import Places
from lppack.kernel.facts import Verdict


class Form(Enum):
    """How an item of the kernel's file stands in ours."""

    NEW = auto()  # a replacement
    COPY = auto()  # the same, for the replacements alone
    EXTERN = auto()  # declared; the kernel's own is used


@dataclass
class Extract:
    """The items to write, by their place in the file."""

    unit: Unit
    forms: dict[int, Form] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # what is called otherwise in ours
    symbols: dict[str, int | None] = field(default_factory=dict)  # unexported, with their position
    fresh: list[Item] = field(default_factory=list)  # from headers, in their new form
    notes: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)  # functions that are ours alone


def extract(
    changes: Changes, replaced: Iterable[str], places: Places, headers: Mapping[str, Item]
) -> Extract:
    """The closure of ``replaced`` in the changed file.

    ``headers`` has what the diff changes or adds in headers, by name.
    """
    made = _Closure(changes, frozenset(replaced), places, headers)
    for name in made.replaced:
        made.extract.names[name] = f"lp_{name}"
    for name in made.replaced:
        made.take(changes.after.functions[name], Form.NEW)
    made.run()
    return made.extract


class _Closure:
    def __init__(
        self,
        changes: Changes,
        replaced: frozenset[str],
        places: Places,
        headers: Mapping[str, Item],
    ) -> None:
        self.replaced = replaced
        self.extract = Extract(changes.after)
        self._unit = changes.after
        self._places = places
        self._headers = headers
        self._index = {id(item): at for at, item in enumerate(changes.after.items)}
        self._new = {*changes.functions(), *(n for item in changes.added for n in item.names)}
        self._changed_data = {i.name for i in changes.changed if i.kind is Kind.VARIABLE}
        self._todo: list[str] = []
        self._seen: set[str] = set()

    def take(self, item: Item, form: Form) -> None:
        at = self._index[id(item)]
        if at in self.extract.forms:
            return
        self.extract.forms[at] = form
        if form is Form.EXTERN:
            end = item.body or len(item.text)
            self._todo += [name for spot, name in item.spots if spot < end]
        else:
            self._todo += sorted(item.uses)
        if form is not Form.EXTERN and item.statics:
            self.extract.notes.append(
                f"{item.name} has static data of its own ({', '.join(item.statics)}): the kernel's "
                "stays with the old function, and the new one begins with its initial value"
            )

    def run(self) -> None:
        while self._todo:
            name = self._todo.pop(0)
            if name not in self._seen:
                self._seen.add(name)
                self._need(name)

    def _need(self, name: str) -> None:
        items = self._unit.by_name.get(name, ())
        if not items and name in self._headers:
            self._header(self._headers[name])
            return
        defined = [item for item in items if item.kind is not Kind.PROTOTYPE]
        if not defined:
            for item in items:
                self.take(item, Form.COPY)
            return
        for item in defined:
            match item.kind:
                case Kind.FUNCTION:
                    self._function(item)
                case Kind.VARIABLE:
                    self._variable(item)
                case _:
                    self.take(item, Form.COPY)
        if name in self.replaced or defined[0].kind is not Kind.FUNCTION:
            return
        for item in items:
            # A declaration that comes before the definition is needed by what stands between.
            if item.kind is Kind.PROTOTYPE and name not in self.extract.symbols:
                self.take(item, Form.COPY)

    def _header(self, item: Item) -> None:
        """What the diff changes or adds in a header: the kernel's headers have the old form."""
        if item.kind is Kind.FUNCTION:
            self.extract.names[item.name] = f"lp_{item.name}"
        if item not in self.extract.fresh:
            self._todo += sorted(item.uses)
            self.extract.fresh.append(item)

    def _function(self, item: Item) -> None:
        if item.name in self.replaced:
            return
        state, symbol = self._places.symbol(item.name, self._unit.path)
        gone = state in (Verdict.MISSING, Verdict.CLONE_ONLY, Verdict.INLINED, Verdict.AMBIGUOUS)
        if item.name in self._new or item.inline or gone:
            if state is Verdict.AMBIGUOUS:
                self.extract.notes.append(
                    f"{item.name} was copied: there are several of that name, and which one is of "
                    f"{self._unit.path} is not known"
                )
            if not item.static:
                self.extract.names[item.name] = f"lp_{item.name}"
            self.extract.copies.append(item.name)
            self.take(item, Form.COPY)
            return
        self._kernels_own(item, symbol.sympos if symbol else None)

    def _variable(self, item: Item) -> None:
        if item.name in self._new:
            self.take(item, Form.COPY)
            if not item.const:
                self.extract.notes.append(
                    f"{item.name} is new static data: it lives in the patch, and begins with its "
                    "initial value each time that the patch is loaded"
                )
            return
        state, symbol = self._places.symbol(item.name, self._unit.path)
        if symbol is not None and self._is_value(item):
            self.take(item, Form.COPY)
            return
        if symbol is not None:
            self._kernels_own(item, symbol.sympos)
            return
        if state is Verdict.AMBIGUOUS:
            self.extract.notes.append(
                f"{item.name}: there are several of that name, and which one is of "
                f"{self._unit.path} is not known: give its sympos under symbols"
            )
            self.extract.symbols[item.name] = None
            self.take(item, Form.EXTERN)
            return
        if not item.const:
            self.extract.notes.append(
                f"{item.name} was copied: the kernel has no symbol of it, as nothing writes to it"
            )
        self.take(item, Form.COPY)

    def _is_value(self, item: Item) -> bool:
        """A constant whose address nobody takes: the compiler folds it, so a copy is the same."""
        address = re.compile(rf"&\s*{re.escape(item.name)}\b")
        declarator = item.text[: item.body]
        plain = item.const and item.static and item.body and not {"[", "*"} & set(declarator)
        return bool(plain) and not address.search(self._unit.text)

    def _kernels_own(self, item: Item, sympos: int | None) -> None:
        """Declared; and named in the manifest, unless it is there for every module."""
        export = self._places.facts.exported(item.name)
        if export is None or export.module is not None:
            several = self._places.several(item.name)
            self.extract.symbols[item.name] = sympos if several else None
        elif not item.static:
            return  # a header declares it
        # Where it is declared first, others of the file may use it before it is defined.
        declared = (i for i in self._unit.by_name[item.name] if i.kind is Kind.PROTOTYPE)
        self.take(next(declared, item), Form.EXTERN)


def includes(unit: Unit) -> Iterator[tuple[int, Item]]:
    """Every include, and the macros that stand before the last of them at the top of the file."""
    first_code = next(
        (at for at, i in enumerate(unit.items) if i.kind in (Kind.FUNCTION, Kind.VARIABLE)),
        len(unit.items),
    )
    last = max(
        (at for at, i in enumerate(unit.items[:first_code]) if i.kind is Kind.INCLUDE), default=-1
    )
    for at, item in enumerate(unit.items):
        if item.kind is Kind.INCLUDE or (item.kind is Kind.MACRO and at < last):
            yield at, item
