# SPDX-License-Identifier: MIT
"""Write the C of a patch, one file for each kernel source file and object."""

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.drafting.edit import Edit
from lppack.drafting.expected import referred
from lppack.drafting.extract import Extract, ItemForm, extract
from lppack.drafting.headers import Private
from lppack.drafting.lasting import moved_data
from lppack.drafting.places import Files, Places, Target
from lppack.drafting.wired import Wired, wired_of
from lppack.kernel.facts import Facts
from lppack.proof.objects import ObjectFile
from lppack.proof.prover import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The generated C of one source file for one object."""

    path: str
    places: Places
    extract: Extract
    private: Private
    wired: Wired
    symbols: dict[str, dict[str, Mapping[str, Any]]]  # object -> name in C -> how it is found

    def doubled(self, before: ParsedFile) -> Iterator[str]:
        """Yield functions with static data that the kernel's function also has."""
        for at, form in sorted(self.extract.forms.items()):
            item = self.extract.unit.items[at]
            if item.kind is ItemKind.FUNCTION and form is not ItemForm.EXTERN and item.statics:
                old = before.functions.get(item.name) or self._by_another_name(item, before)
                yield from second_copies(item, old) if old is not None else ()

    def _by_another_name(self, item: Item, before: ParsedFile) -> Item | None:
        """Return a removed function that had static data of the same name."""
        now = self.extract.unit.functions
        gone = (one for name, one in before.functions.items() if name not in now)
        return next((one for one in gone if {*one.statics} & {*item.statics}), None)

    @property
    def listed(self) -> tuple[tuple[str, str, Mapping[str, Any]], ...]:
        """Return (object, the kernel's name, how it is found) of each symbol."""
        return tuple(
            (object_, how.get("name", name), how)
            for object_, found in self.symbols.items()
            for name, how in found.items()
        )


@dataclass(frozen=True, kw_only=True)
class CarryRequest:
    """What the next draft must also carry, because the compiler missed it."""

    expect: bool = True  # predict which symbols are missing
    symbols: frozenset[str] = frozenset()  # used, but neither defined nor exported
    every_header: bool = False  # all private headers of a file, in their order
    also: frozenset[str] = frozenset()  # names that macros of the file compose
    invocations: frozenset[str] = frozenset()  # names that macros at the top level may define
    given_up: tuple[tuple[str, str, str], ...] = ()  # (path, object, why): does not build


def carry(
    edit: Edit,
    files: Files,
    targets: Sequence[Target],
    places: Mapping[tuple[str, str], Places],
    facts: Facts,
    headers: Mapping[str, Item],
    comparison: Comparison,
    wanted: CarryRequest,
) -> tuple[Carried, ...]:
    """Return the replacements, and new functions of other changed files that they call."""
    writer = _Writer(edit, files, targets, places, facts, headers, comparison, wanted)
    made = writer.write({})
    # If several symbols have one name, each file gets an alias for its own symbol.
    homes: dict[str, set[str]] = {}
    for one in made:
        for object_, name, how in one.listed:
            homes.setdefault(name, set()).add(repr((object_, how)))
    shared = {name for name, found in homes.items() if len(found) > 1}
    if shared:
        made = writer.write(
            {
                (one.path, one.places.object): shared & {name for _, name, _ in one.listed}
                for one in made
            }
        )
    return made


def second_copies(item: Item, kernels: Item) -> Iterator[str]:
    """Report static locals that both the patch's function and the kernel's own would keep."""
    gone = [name for name in kernels.statics if name not in item.statics]
    fresh = [name for name in item.statics if name not in kernels.statics]
    names = [name for name in item.statics if name in kernels.statics]
    if gone and fresh:
        yield (
            f"{kernels.name} has static data {', '.join(fresh)} where it had {', '.join(gone)}: "
            "if it is the same by another name, what it holds is not taken over"
        )
    if names:
        yield (
            f"{kernels.name} has static data of its own ({', '.join(names)}): the kernel's stays "
            "with the old function, and the new one begins with the first value"
        )


def own_data(
    made: Sequence[tuple[str, str, str]],
    defined: Collection[str],
    comparison: Comparison,
    files: Files,
) -> Iterator[str]:
    """Report data of the kernel that the patch defines again, usually by a macro.

    ``made``: (file of the patch, path, object); ``defined``: names of the module's data.
    """
    paths = {path for _, path, _ in made}
    for unit in comparison.units:
        if unit.unit.path not in paths or unit.before is None:
            continue
        changes = files(unit.unit.path)
        plain = changes.after.by_name if changes else {}
        for name in sorted(unit.before.data.keys() & set(defined)):
            if unit.before.data[name].writable or name not in plain:
                yield (
                    f"{name} of {unit.unit.path} is defined once more in the patch, which does not "
                    "see the kernel's own"
                )


def nothing(changes: Changes, places: Places) -> Carried:
    """Carry no function."""
    made = extract(changes, {}, places, {})
    return Carried(
        path=changes.before.path,
        places=places,
        extract=made,
        private=Private(made, lambda _path: None),
        wired=wired_of(made, places),
        symbols={},
    )


class _Writer:
    def __init__(
        self,
        edit: Edit,
        files: Files,
        targets: Sequence[Target],
        places: Mapping[tuple[str, str], Places],
        facts: Facts,
        headers: Mapping[str, Item],
        comparison: Comparison,
        wanted: CarryRequest,
    ) -> None:
        self._files, self._places, self._facts = files, places, facts
        self._headers, self._wanted = headers, wanted
        self._after = {
            (unit.unit.path, object_): unit.after
            for unit in comparison.units
            for object_ in unit.unit.objects
        }
        self._folders = {u.unit.path: _folders(u.unit.flags) for u in comparison.units}
        self._differing = {
            unit.unit.path: [name.partition(".")[0] for name in (*unit.changed, *unit.removed)]
            for unit in comparison.units
        }
        self._new = self._new_functions(edit, targets)
        self._moved = moved_data(comparison)
        self._replaced: dict[tuple[str, str], dict[str, str]] = {}
        for target in targets:
            group = self._replaced.setdefault((target.path, target.object), {})
            group[target.name] = target.replacement

    def _new_functions(self, edit: Edit, targets: Sequence[Target]) -> dict[str, tuple[str, Item]]:
        """Map each non-static function that is new, has other parameters, or was static and is not
        in the kernel as it is now, to its file and item."""
        taken = {target.name for target in targets}

        def is_new(path: str, item: Item, old: Item | None) -> bool:
            if old is None or old.parameters != item.parameters:
                return True
            there = [here for (of, _), here in self._places.items() if of == path]
            differs = item.name in self._differing.get(path, ())
            return old.static and (differs or not any(here.symbol(item.name)[1] for here in there))

        return {
            item.name: (changes.after.path, item)
            for changes in edit.changes
            if changes.after.path.endswith(".c")
            for item in changes.after.functions.values()
            if not item.static and item.name not in taken
            if is_new(changes.after.path, item, changes.before.functions.get(item.name))
        }

    def write(self, shared: Mapping[tuple[str, str], Collection[str]]) -> tuple[Carried, ...]:
        """Return all files; ``shared``: names of each file that have another meaning in another
        file."""
        given: dict[tuple[str, str], set[str]] = {key: set() for key in self._replaced}
        while True:
            made = [self._one(key, names, shared.get(key, ())) for key, names in given.items()]
            self._rest(made, shared)
            grown = False
            for one in made:
                for name in one.extract.called:
                    names = given.setdefault(self._home(name, one.places.object, given), set())
                    grown |= name not in names
                    names.add(name)
            if not grown:
                return tuple(made)

    def _home(
        self, name: str, caller: str, given: Mapping[tuple[str, str], Collection[str]]
    ) -> tuple[str, str]:
        """Return the file and the object of a new function; vmlinux if its file is built in."""
        path = self._new[name][0]
        if (path, "vmlinux") in self._after:
            return path, "vmlinux"
        return next(
            ((of, object_) for (of, object_), names in given.items() if name in names),
            (path, caller),
        )

    def _one(self, key: tuple[str, str], given: set[str], shared: Collection[str]) -> Carried:
        path, object_ = key
        changes = self._files(path)
        assert changes is not None
        # A file that is new, or is part of another object, has no symbols in this object.
        here = self._places.get(key) or Places(self._facts, object_, ObjectFile())
        made = extract(
            changes,
            self._replaced.get(key, {}),
            here,
            self._headers,
            given=sorted(given),
            elsewhere={name: item for name, (of, item) in self._new.items() if of != path},
            also=self._wanted.also,
            differing=self._differing.get(path, ()),
            invocations=self._wanted.invocations,
            apart={name: _apart(path, object_, name) for name in shared},
            moved={
                name: self._places[before, object_]
                for (after, of, name), before in self._moved.items()
                if (after, of) == key
            },
        )
        wired = wired_of(made, here)
        symbols: dict[str, dict[str, Mapping[str, Any]]] = {object_: {}}
        for name, at in made.symbols.items():
            self._found(symbols, here, made, name, at)
        symbols[object_] |= wired.symbols
        items = [made.unit.items[at] for at in made.forms] + made.fresh
        used = {name for item in items for name in item.uses}
        known = made.symbols.keys() | wired.symbols.keys()
        for name in sorted(self._wanted.symbols & used - known):
            self._found(symbols, here, made, name, None)

        def header(of: str) -> ParsedFile | None:
            found = self._files(of)
            return found.after if found else None

        folders = self._folders.get(path, ())
        return Carried(
            path=path,
            places=here,
            extract=made,
            private=Private(made, header, folders, every=self._wanted.every_header),
            wired=wired,
            symbols=symbols,
        )

    def _rest(
        self, made: Sequence[Carried], shared: Mapping[tuple[str, str], Collection[str]]
    ) -> None:
        """Add symbols that only macros of headers name, for each file whose object code uses
        them."""
        used = [self._used(one) for one in made]
        for name in sorted(self._wanted.symbols):
            users = [one for one, names in zip(made, used, strict=True) if name in names]
            if not users and not any(name == said for one in made for _, said, _ in one.listed):
                users = [one for one in made if one.places.home(name)[0] != "vmlinux"] or [*made]
                users = users[:1]
            for one in users:
                if any(name == said for _, said, _ in one.listed):
                    continue
                if name in shared.get((one.path, one.places.object), ()):
                    one.extract.apart(name, _apart(one.path, one.places.object, name))
                self._found(one.symbols, one.places, one.extract, name, None)

    def _used(self, one: Carried) -> frozenset[str]:
        """Return the symbols that the written functions refer to, from their object code."""
        code = self._after.get((one.path, one.places.object))
        items = one.extract.unit.items
        names = {items[at].name for at, f in one.extract.forms.items() if f is not ItemForm.EXTERN}
        return referred(code, names | one.extract.names.keys()) if code else frozenset()

    def _found(
        self,
        symbols: dict[str, dict[str, Mapping[str, Any]]],
        here: Places,
        made: Extract,
        name: str,
        at: int | None,
    ) -> None:
        """Record a symbol under the object that defines it."""
        own = name in here.code.functions or name in here.code.data
        own = own or (made.unit.path, here.object, name) in self._moved
        home, sympos = (here.object, at) if own else here.home(name)
        if sympos == 0:
            made.notes.append(
                f"{home} has several symbols {name}: give the sympos of the one meant"
            )
        if here.is_a_tag(name, home) and name not in made.aliases:
            made.notes.append(f"{name} of {home} has the name of a struct: give it another by `as`")
        how: dict[str, Any] = {"sympos": sympos} if sympos else {}
        object_ = home if home == "vmlinux" else here.object
        if home not in ("vmlinux", here.object):
            how["module"] = home
        if name in made.aliases:
            how["as"] = made.aliases[name]
        alias = how.get("as")
        symbols.setdefault(object_, {})[alias or name] = {"name": name, **how} if alias else how


def _apart(path: str, object_: str, name: str) -> str:
    """Return an alias for a symbol, because several symbols with its name are used."""
    stem = path.rpartition("/")[2].partition(".")[0].replace("-", "_")
    return f"lp_{object_}_{stem}_{name}"


def _folders(flags: Sequence[str]) -> tuple[str, ...]:
    """Return the include folders of the tree that the file's Makefile adds."""
    found, last = [], ""
    for flag in flags:
        word = flag[2:] if flag.startswith("-I") and flag != "-I" else flag if last == "-I" else ""
        if word.startswith("{sources}/"):
            found.append(posixpath.normpath(word.removeprefix("{sources}/")))
        last = flag
    return tuple(dict.fromkeys(found))
