# SPDX-License-Identifier: MIT
"""Which functions of a kernel to replace, so that a change of its sources reaches all its code."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lppack.csource.changes import Changes
from lppack.kernel.facts import Facts, Symbol, Verdict, verdict

_MOST = 24  # functions in one patch; a header's inline function may be everywhere

#: The file of that path, before and after the change; None: the kernel's sources have none.
Files = Callable[[str], Changes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function to replace."""

    name: str
    path: str
    sympos: int | None  # None: it is the only one of that name
    carries: tuple[str, ...]  # functions that the diff changes, whose code it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Cannot:
    """What could not be drafted, why, and what else could be done."""

    what: str
    why: str
    way: str


class Places:
    """What one object of a kernel has of the functions and variables of its sources."""

    def __init__(self, facts: Facts, object_: str) -> None:
        self.facts = facts
        self.object = object_
        self.module = None if object_ == "vmlinux" else object_

    def symbol(self, name: str, path: str) -> tuple[Verdict, Symbol | None]:
        """The one symbol of that name which is of the file ``path``."""
        facts = self.facts
        if self.module is None:
            copies, clones = facts.copies(name), facts.clones(name)
        else:
            copies = facts.module_copies(self.module, name)
            clones = facts.module_clones(self.module, name)
        found = verdict(copies, clones, None)
        if found is not Verdict.AMBIGUOUS:
            return found, copies[0] if copies else None
        if self.module is None and facts.inlining:
            own = [copy for copy in copies if facts.inlining.file_of(copy) == path]
            if len(own) == 1:
                return verdict(copies, clones, own[0].sympos), own[0]
            if not own and all(facts.inlining.file_of(copy) for copy in copies):
                return Verdict.CLONE_ONLY if clones else Verdict.MISSING, None
        return found, None

    def home(self, name: str) -> tuple[str, bool]:
        """The object that has a symbol that is used and not defined, or the module that exports
        it; and whether there are several of that name."""
        facts = self.facts
        if self.module is not None:
            if copies := facts.module_copies(self.module, name):
                return self.module, len(copies) > 1
            export = facts.exported(name)
            if export is not None and export.module in facts.depends(self.module):
                return export.module, len(facts.module_copies(export.module, name)) > 1
        return "vmlinux", len(facts.copies(name)) > 1

    def is_a_tag(self, name: str, home: str) -> bool:
        """Whether a struct or union has the name of that variable of a module."""
        if home == "vmlinux" or all(s.type in "tT" for s in self.facts.module_copies(home, name)):
            return False
        found = (self.facts.layouts(f"{word} {name}", module=home) for word in ("struct", "union"))
        return any(found)

    def several(self, name: str) -> bool:
        """Whether a position is needed to name it."""
        if self.module is None:
            return len(self.facts.copies(name)) > 1
        return len(self.facts.module_copies(self.module, name)) > 1


def object_of(facts: Facts, changes: Changes) -> str | None:
    """The object that the file is part of: "vmlinux" or a module; None: this kernel has it not.

    Its functions tell, and a module stands in a folder like that of its sources.
    """
    folder = changes.before.path.rpartition("/")[0]
    votes: dict[str, int] = {}
    for item in [i for i in changes.before.functions.values() if not i.inline and not i.init][:40]:
        copies = facts.copies(item.name)
        if facts.inlining:
            copies = tuple(
                c for c in copies if facts.inlining.file_of(c) in (changes.before.path, None)
            )
        near = [n for n in facts.modules_with(item.name) if _near(facts.module_folder(n), folder)]
        for name in ("vmlinux",) if copies else near:
            votes[name] = votes.get(name, 0) + 1
    return max(votes, key=lambda name: votes[name], default=None)


def _near(module: str | None, folder: str) -> bool:
    """Whether sources in ``folder`` may be part of a module of that folder: it, or one above."""
    return module is None or f"{folder}/".startswith(f"{module}/")


@dataclass
class Found:
    """The answer of targets()."""

    targets: dict[tuple[str, str], Target] = field(default_factory=dict)
    cannot: list[Cannot] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def targets(places: Places, changed: Iterable[tuple[str, str]], files: Files) -> Found:
    """The functions to replace for the changed ones, each a (name, path)."""
    found = Found()
    seen: set[tuple[str, str, str]] = set()
    todo = [(name, path, name) for name, path in changed]
    while todo:
        name, path, origin = todo.pop(0)
        if (name, path, origin) in seen:
            continue
        seen.add((name, path, origin))
        if len(found.targets) > _MOST:
            found.cannot.append(
                Cannot(
                    what=origin,
                    why=f"it is inlined into more than {_MOST} functions",
                    way="a change of what is used everywhere is better made by a new kernel",
                )
            )
            break
        todo += [(n, p, origin) for n, p in _one(places, found, name, path, origin, files)]
    return found


def _one(
    places: Places, found: Found, name: str, path: str, origin: str, files: Files
) -> list[tuple[str, str]]:
    """Takes a function into the set, and gives those to be looked at in its stead or as well."""
    unit = files(path)
    item = unit.after.functions.get(name) if unit else None
    if unit is None or item is None:
        found.cannot.append(
            Cannot(
                what=origin,
                why=f"its code is also in {name}, which is not in {path or 'a known file'}",
                way="replace that function by hand, or leave it if what it does is not needed",
            )
        )
        return []
    state, symbol = places.symbol(name, path)
    if item.init or state is Verdict.INIT:
        found.cannot.append(
            Cannot(
                what=name,
                why="it is __init: it has run, and its memory is given back",
                way="what it has set up can be put right by a hook: pre_patch, and post_unpatch "
                "for the way back",
            )
        )
        return []
    deep = places.facts.inlining if places.module is None else None
    holders = [(_base(h.name), h.file) for h in deep.holders(name, path)] if deep else []
    users = [(user, path) for user in unit.before.users(name)]
    match state:
        case Verdict.PATCHABLE:
            _take(found, places, name, path, symbol, origin)
            assert symbol is not None
            copies = _with_copies(places, symbol, unit)
            if copies and origin == name:
                found.notes.append(f"{name}: its code is also in {', '.join(copies)}")
            return [*holders, *((other, path) for other in copies)]
        case Verdict.UNTRACEABLE:
            return _untraceable(places, found, name, path, unit, users)
        case Verdict.AMBIGUOUS:
            found.cannot.append(
                Cannot(
                    what=name,
                    why=f"{places.object} has several functions of that name, and which one is of "
                    f"{path} is not known",
                    way="lppack facts lists them: choose one, and give its sympos by hand",
                )
            )
            return []
    instead = (
        list(dict.fromkeys([*holders, *users]))
        if state is Verdict.CLONE_ONLY
        else (holders or users)
    )
    if not instead:
        found.cannot.append(
            Cannot(
                what=name,
                why=f"{places.object} has no symbol of it, and nothing in {path} calls it",
                way="look for what was made of it: lppack facts",
            )
        )
    elif origin == name:
        left = "only a copy that the compiler changed" if state is Verdict.CLONE_ONLY else "nothing"
        found.notes.append(
            f"{name}: {left} is left of it in {places.object}; replaced instead: "
            f"{', '.join(sorted({n for n, _ in instead}))}"
        )
    return instead


def _with_copies(places: Places, symbol: Symbol, unit: Changes) -> tuple[str, ...]:
    """Functions of a module that call it by their source and not by their code: they have copies.

    Where nothing is left of a caller, its own callers have it. Of vmlinux the debug package tells.
    """
    if places.module is None:
        return ()
    found: list[str] = []
    todo, seen = [symbol.name], {symbol.name}
    while todo:
        for user in unit.before.users(todo.pop()):
            if user in seen:
                continue
            seen.add(user)
            said = places.facts.module_names(places.module, user, symbol)
            if said is None:
                todo.append(user)
            elif not said and not unit.before.functions[user].init:
                found.append(user)
    return tuple(found)


def _untraceable(
    places: Places,
    found: Found,
    name: str,
    path: str,
    unit: Changes,
    users: list[tuple[str, str]],
) -> list[tuple[str, str]]:
    """Its callers, if any of the file can be traced at all."""
    states = [places.symbol(other, path)[0] for other in unit.before.functions]
    if Verdict.PATCHABLE in states and users:
        found.notes.append(f"{name}: has no fentry call (notrace); replaced instead: its callers")
        return users
    folder = path.rpartition("/")[0]
    why = (
        f"no function of {path} can be traced: {folder} is built without -pg, so there is no place "
        "where a replacement could be called"
        if Verdict.PATCHABLE not in states
        else "it is notrace or noinstr, and nothing that can be traced calls it in its file"
    )
    found.cannot.append(
        Cannot(
            what=name,
            why=why,
            way="replace a traceable function elsewhere that calls it and can do without it, or "
            "install the fixed kernel",
        )
    )
    return []


def _take(
    found: Found, places: Places, name: str, path: str, symbol: Symbol | None, origin: str
) -> None:
    before = found.targets.get((name, path))
    carries = (*(before.carries if before else ()), origin)
    found.targets[name, path] = Target(
        name=name,
        path=path,
        sympos=symbol.sympos if symbol and places.several(name) else None,
        carries=tuple(dict.fromkeys(carries)),
    )


def _base(name: str) -> str:
    """The function of which it is the compiler's own copy."""
    return name.partition(".")[0]
