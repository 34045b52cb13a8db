# SPDX-License-Identifier: MIT
"""Select the functions to replace, so that no differing code of an object stays in use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind
from lppack.csource.words import INIT, STATIC
from lppack.drafting.places import Cannot, Places, Target
from lppack.kernel.facts import SymbolVerdict
from lppack.proof.compare import UnitDifference
from lppack.proof.objects import Function, ObjectFile
from lppack.proof.prover import Comparison

_MOST = 64  # functions in one patch


@dataclass
class Selected:
    """The functions of one C file in one object."""

    path: str
    object: str
    targets: dict[str, Target] = field(default_factory=dict)
    cannot: list[Cannot] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The whole change, beside the one unit that is looked at."""

    files: tuple[ObjectFile, ...] = ()  # all that was compiled, as it was
    differing: frozenset[str] = frozenset()  # names whose definitions differ, or stand on such
    declared: frozenset[str] = frozenset()  # names that changed headers declare


def whole(comparison: Comparison, every: Sequence[Changes]) -> Whole:
    """Collect what the selection in one unit must know of the others."""
    headers = [one.after for one in every if one.after.path.endswith(".h")]
    return Whole(
        files=tuple(unit.before for unit in comparison.units if unit.before),
        differing=frozenset(
            [name for one in every for item in _otherwise(one) for name in item.names]
            + [name for _, name in comparison.affected.standing]
        ),
        declared=frozenset(
            name
            for header in headers
            for item in header.items
            if item.kind is ItemKind.PROTOTYPE
            for name in item.names
        ),
    )


def _otherwise(changes: Changes) -> Iterator[Item]:
    """Yield the items that differ by more than how long they are there."""
    for item in (*changes.changed, *changes.added, *changes.removed):
        was, now = (unit.by_name.get(item.name, ()) for unit in (changes.before, changes.after))
        if [*map(_plain, was)] != [*map(_plain, now)]:
            yield item


def select(
    difference: UnitDifference,
    places: Places,
    unit: Changes,
    touched: Mapping[str, Item],
    moved: Mapping[str, str],
    of: Whole,
) -> Selected:
    """Select the functions to replace for one unit.

    ``unit`` is its text before and after; ``touched`` the functions that the diff changes, in any
    file, as they are now; ``moved`` names functions that another file of the change has now.
    """
    assert difference.before is not None and difference.after is not None
    chosen = _Selection(difference, places, unit, touched, moved, of)
    chosen.run()
    return chosen.selected


class _Selection:
    def __init__(
        self,
        difference: UnitDifference,
        places: Places,
        unit: Changes,
        touched: Mapping[str, Item],
        moved: Mapping[str, str],
        of: Whole,
    ) -> None:
        assert difference.before is not None and difference.after is not None
        self.before, self.after = difference.before, difference.after
        self.places, self.unit = places, unit
        self.touched, self.moved, self.whole = touched, moved, of
        self.selected = Selected(difference.unit.path, places.object)
        self._todo = [*difference.changed, *difference.removed]
        self._seen: set[str] = set()
        self._instead: dict[str, set[str]] = {}  # user: the functions in whose place it is replaced

    def run(self) -> None:
        while self._todo:
            name = self._todo.pop(0)
            if name not in self._seen:
                self._seen.add(name)
                self._one(name)
            if len(self.selected.targets) > _MOST:
                self._cannot(
                    name,
                    f"more than {_MOST} functions of {self.selected.path} differ",
                    "a change of what is used everywhere is better made by a new kernel",
                )
                break
        for name, target in self.selected.targets.items():
            covers = dict.fromkeys((*target.covers, *sorted(self._replaced_for(name))))
            self.selected.targets[name] = replace(target, covers=tuple(covers))

    def _replaced_for(self, name: str) -> set[str]:
        """Return the source functions for which ``name`` is replaced."""
        found: set[str] = set()
        todo = [name]
        while todo:
            more = self._instead.get(todo.pop(), set()) - found
            found |= more
            todo += more
        return {one.partition(".")[0] for one in found} - {name}

    def _one(self, name: str) -> None:
        if self.places.overridden(name):
            return  # nothing calls it
        function = self.before.functions[name]
        if name.endswith(".cold"):
            self._todo.append(name.removesuffix(".cold"))
        elif function.exit:
            self._cannot(
                name,
                "it is __exit, which ftrace cannot hook",
                "it runs only when its module is unloaded; install the fixed kernel",
            )
        elif function.init and self._stays_from_now_on(name):
            self.selected.notes.append(
                f"{name} is no longer __init: what calls it from now on calls the patch's own"
            )
        elif function.init:
            self._cannot(
                name,
                "it is __init: it has run, and its memory is given back",
                "what it has set up can be put right by a hook: pre_patch, and post_unpatch for "
                "the revert",
            )
        elif "." in name:
            self._through_users(function, "it is a copy that the compiler changed")
        elif name in self.moved and name not in self.after.functions:
            self.selected.notes.append(f"{name} is in {self.moved[name]} now")
        elif name not in self.after.functions or (function.static and self._has_another_head(name)):
            self._through_users(function, "it is gone, or has other parameters")
        elif self._has_other_parameters(name):
            # Its callers must pass other arguments, so they differ too, and call the patch's own.
            self.selected.notes.append(
                f"{name} has other parameters: callers that pass the old ones use the kernel's own"
            )
            if data := self._data_with(name):
                why = f"it has other parameters, and its address is in {', '.join(data)}"
                self._cannot(name, why, "install the fixed kernel")
            self._doubt_takers(name)
            if not function.static and name not in self.whole.declared:
                self.selected.doubts.append(
                    f"{name} of {self.places.object} has other parameters, and no header of the "
                    "change declares it: files that were not compiled may use it"
                )
        elif not function.traceable:
            self._through_users(function, "it has no fentry call (notrace)")
        elif name not in self.unit.after.functions:
            self._through_users(function, "a macro makes it: the sources have no such function")
        else:
            self._take(name)

    def _take(self, name: str) -> None:
        state, symbol = self.places.symbol(name)
        if symbol is None or state is not SymbolVerdict.PATCHABLE:
            self._cannot(
                name,
                f"{self.places.object} has {len(self.places.copies(name))} functions of that name, "
                "and none of them is what its sources compile to",
                "is this kernel Debian's own? lppack facts lists them",
            )
            return
        self.selected.targets[name] = Target(
            name=name,
            path=self.selected.path,
            object=self.places.object,
            sympos=symbol.sympos if self.places.several(name) else None,
            covers=tuple(self._covered(name)) or (name,),
        )

    def _through_users(self, function: Function, why: str) -> None:
        """Replace its callers instead: their new code contains or calls the patch's own copy."""
        users = self.before.users.get(function.name, frozenset())
        data = self._data_with(function.name)
        way = (
            "replace by hand what calls it by that pointer, or install the fixed kernel"
            if data
            else "replace by hand what calls it, or install the fixed kernel"
        )
        if data:
            self._cannot(function.name, f"{why}, and its address is in {', '.join(data)}", way)
        elif not function.static and "." not in function.name:
            self._cannot(function.name, f"{why}, and other files, or assembler, may call it", way)
        elif not users:
            # Nobody else could use a removed static function.
            if not function.static or function.name in self.after.functions:
                nothing = f"{why}, and nothing in {self.selected.path} calls it"
                self._cannot(function.name, nothing, way)
        else:
            self.selected.notes.append(
                f"{function.name}: {why}; replaced instead: {', '.join(sorted(users))}"
            )
            self._doubt_takers(function.name)
            for user in users:
                whole = user.removesuffix(".cold")
                self._instead.setdefault(whole, set()).add(function.name)
            self._todo += sorted(users)

    def _files_with(self, name: str) -> tuple[ObjectFile, ...]:
        """Return the compiled files that can mean the function by its name."""
        if self.before.functions[name].static:
            return (self.before,)
        return (self.before, *(file for file in self.whole.files if file is not self.before))

    def _data_with(self, name: str) -> list[str]:
        """Return the variables that have its address."""
        return sorted(
            user
            for file in self._files_with(name)
            for user in file.users.get(name, ())
            if user not in file.functions
        )

    def _doubt_takers(self, name: str) -> None:
        """Record a doubt if functions that stay in use pass the address of ``name`` on."""
        takers = {
            one
            for file in self._files_with(name)
            for one in file.takers.get(name, ())
            if not file.functions[one].init
        }
        if takers:
            self.selected.doubts.append(
                f"{', '.join(sorted(takers))} of {self.places.object} may have stored the address "
                f"of {name}: what has it already goes on to call the kernel's own, as it was"
            )

    def _stays_from_now_on(self, name: str) -> bool:
        """Return True if the only change, also of what it uses, is the removal of __init."""
        old, new = (unit.functions.get(name) for unit in (self.unit.before, self.unit.after))
        if old is None or new is None or not old.init or new.init:
            return False
        return _plain(old) == _plain(new) and not self._reached(name) & self.whole.differing

    def _reached(self, name: str) -> set[str]:
        """Return the names that a function uses, also by way of others of the file."""
        found, todo = {name}, [name]
        while todo:
            for item in self.unit.after.by_name.get(todo.pop(), ()):
                todo += item.uses - found
                found |= item.uses
        return found

    def _has_another_head(self, name: str) -> bool:
        old, new = (unit.functions.get(name) for unit in (self.unit.before, self.unit.after))
        return bool(old and new) and _head(old) != _head(new)

    def _has_other_parameters(self, name: str) -> bool:
        old, new = (unit.functions.get(name) for unit in (self.unit.before, self.unit.after))
        return old is not None and new is not None and old.parameters != new.parameters

    def _covered(self, name: str) -> Iterator[str]:
        """Yield the changed functions that the code of ``name`` contains."""
        seen, todo = {name}, [name]
        while todo:
            here = todo.pop(0)
            if here in self.touched:
                yield here
            item = self.unit.after.functions.get(here) or self.touched.get(here)
            for used in sorted(item.uses) if item else ():
                own = used in self.before.functions
                known = used in self.unit.after.functions or used in self.touched
                if known and not own and used not in seen:
                    seen.add(used)
                    todo.append(used)

    def _cannot(self, name: str, why: str, way: str) -> None:
        base = name.partition(".")[0]
        item = self.unit.before.functions.get(base)
        self.selected.cannot.append(
            Cannot(
                what=f"{name} of {self.places.object}",
                why=why,
                way=way,
                path=self.selected.path,
                line=item.line if item else 0,
            )
        )


def _plain(item: Item) -> str:
    """Return its text without __init and similar words."""
    return " ".join(INIT.sub(" ", item.tokens).split())


def _head(item: Item | None) -> str:
    """Return the part of a function that its callers depend on."""
    head = STATIC.sub(" ", item.text[: item.body]) if item else ""
    return " ".join(head.split())
