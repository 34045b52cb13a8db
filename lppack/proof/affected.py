# SPDX-License-Identifier: MIT
"""Find the C files whose object code a change can affect: those it names, and those that use what
it changes in headers, through macros, inline functions, constants and types."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lppack.csource.changes import Changes
from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.csource.scan import undefined
from lppack.proof.includes import PROGRAMS, Includes
from lppack.proof.kbuild import FOLDERS_APART, apart
from lppack.proof.pattern import NamePattern

_MOST_NAMES = 400  # names that depend on changed ones; more are not followed
_FEW = 40  # users of a header, up to which all are compiled
_FOREIGN = re.compile(r"arch/(?!x86/)")
# include/linux/tracepoint.h (v6.1): trace_NAME() is inline, and the rest is compiled where
# CREATE_TRACE_POINTS is defined.
_EVENT = re.compile(
    r"(?:DEFINE_EVENT\w*\s*\(\s*\w+\s*,|(?:TRACE|DECLARE)_(?:EVENT|TRACE)\w*\s*\()\s*(\w+)"
)

# This is in each header of trace events, but does not change their own code.
_MAKES_EVENTS = frozenset(["CREATE_TRACE_POINTS"])
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """C files to compile, and the names that were followed to find them."""

    paths: tuple[str, ...]
    names: tuple[str, ...]  # changed in headers, or dependent on what is
    not_followed: tuple[str, ...] = ()  # possible effects that were not followed, one sentence each
    standing: tuple[tuple[str, str], ...] = ()  # (header, name) that depends on a changed name


def affected(
    every: Collection[Changes],
    tree: Path,
    includes: Includes,
    read: Callable[[str], Changes | None],
    *,
    few: int = _FEW,
) -> Affected:
    """Find the C files that a change affects.

    ``every``: each C file and header that the change touches, before and after. ``read`` parses a
    file that it does not touch. If a header has at most ``few`` users, all of them count as
    affected.
    """
    own = _c_files(c.before.path for c in every)
    # A C file may be included by others: then these are compiled as well.
    found = set(own)
    not_followed: list[str] = []
    for path in sorted(own):
        among = _c_files(includes.users(path))
        found |= among
        not_followed += _also_apart(path, among, tree)
    names: set[str] = set()
    users: set[str] = set()
    headers: list[str] = []
    standing: dict[tuple[str, str], None] = {}
    for changes in every:
        path = changes.before.path
        if path.endswith(".c"):
            continue
        its = includes.users(path)
        not_followed += _assembler(changes, its, tree, read)
        if len(_c_files(its)) <= few:
            found |= _c_files(its)
            near = [path, *(user for user in its if user.endswith(".h"))]
            own_names = _touched(changes)
            elsewhere = _Elsewhere(near, its, _defined(changes), includes, read)
            _follow(own_names, near, tree, read, standing, elsewhere)
            not_followed += _compiled_apart(path, own_names, its, tree) if own_names else ()
            continue
        headers.append(path)
        names |= _touched(changes)
        users |= its
        not_followed += _unnamed(changes)
    if names:
        near = [*headers, *(path for path in users if path.endswith(".h"))]
        defined = [name for c in every if c.before.path in headers for name in _defined(c)]
        elsewhere = _Elsewhere(near, users, defined, includes, read)
        not_followed += _follow(names, near, tree, read, standing, elsewhere)
        not_followed += _compiled_apart(", ".join(headers), names, users, tree)
        wanted = NamePattern(names)
        for path in sorted(_c_files(users) - found):
            file = tree / path
            if file.is_file() and wanted.search(file.read_bytes()):
                found.add(path)
        # A file that only includes another C file names nothing itself.
        for path in sorted(found):
            found |= _c_files(includes.users(path))
    return Affected(
        paths=tuple(sorted(found)),
        names=tuple(sorted(names)),
        not_followed=tuple(not_followed),
        standing=tuple(standing),
    )


def _also_apart(path: str, users: Collection[str], tree: Path) -> Iterator[str]:
    """Yield a sentence for each part that is built apart from the kernel's objects, and is also
    made from this C file: by an include, or by a rule of its Makefile (arch/x86/purgatory/Makefile,
    v6.1)."""
    if apart(path):
        return
    also = {user: f"{user} includes {path}" for user in sorted(users)}
    for folder in FOLDERS_APART:
        file = tree / folder / "Makefile"
        if file.is_file() and f"$(srctree)/{path}".encode() in file.read_bytes():
            also[f"{folder}/"] = f"{folder} is built from {path} as well"
    for place, said in also.items():
        if why := apart(place):
            yield f"{said}, and is not compared: {why}"


def _compiled_apart(
    path: str, names: Collection[str], users: Collection[str], tree: Path
) -> Iterator[str]:
    """Yield a sentence for each user of a changed header that is built apart from the kernel's
    objects."""
    wanted = NamePattern(names)
    for user in sorted(user for user in _c_files(users) if apart(user)):
        if wanted.search((tree / user).read_bytes()):
            yield f"{user} uses what {path} changes, and is not compared: {apart(user)}"


def _defined(changes: Changes) -> Iterator[str]:
    """Yield the names of the items that differ; a type has its tag: "struct x"."""
    for item in (*changes.changed, *changes.added, *changes.removed):
        yield from item.names


class _Elsewhere:
    """Finds headers that use a name without including the header that defines it, because their
    users include that one before: each file of fs/xfs includes xfs_log_format.h before xfs_quota.h
    (v6.1)."""

    def __init__(
        self,
        near: Collection[str],
        users: Collection[str],
        own: Iterable[str],
        includes: Includes,
        read: Callable[[str], Changes | None],
    ) -> None:
        self._near, self._users = {*near}, {*users}
        self._own = [*own]
        self._includes, self._read = includes, read

    def using(
        self, names: Collection[str], standing: Mapping[tuple[str, str], None]
    ) -> Iterator[str]:
        """Yield more headers, of any folder, that use one of ``names``; each of them once."""
        every = {name: name.rpartition(" ")[2] for name in (*self._own, *(n for _, n in standing))}
        wanted = {*names} - {*every.values()} | {n for n, bare in every.items() if bare in names}
        wanted -= _MAKES_EVENTS
        for path in self._includes.naming(wanted):
            if path in self._near or _FOREIGN.match(path) or not self._meets(path):
                continue
            changes = self._read(path)
            if changes and _uses_one(changes.after, wanted):
                self._near.add(path)
                yield path

    def _meets(self, path: str) -> bool:
        """Return whether a file includes both this header and one that is changed."""
        if path.startswith(("include/", "arch/x86/include/")):
            return True  # so many files include it that the query is slow
        return not self._users.isdisjoint(self._includes.users(path))


def _c_files(paths: Iterable[str]) -> set[str]:
    return {path for path in paths if path.endswith(".c") and not path.startswith(PROGRAMS)}


def _touched(changes: Changes) -> set[str]:
    """Return the names of what differs in a header, as its users write them. Declarations count:
    their attributes change code."""
    items = [*changes.changed, *changes.added, *changes.removed]
    old, new = _declared(changes.before), _declared(changes.after)
    found = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    for item in {*_others(changes.before)} ^ {*_others(changes.after)}:
        found |= _of_event(item[0])
    gone, now = (Counter(undefined(unit.text)) for unit in (changes.before, changes.after))
    found |= {name for name, _ in (gone - now) + (now - gone)}
    return found | {name.rpartition(" ")[2] for item in items for name in item.names}


def _others(unit: ParsedFile) -> list[tuple[str, tuple[str, ...]]]:
    return [(item.tokens, item.conditions) for item in unit.items if item.kind is ItemKind.OTHER]


def _of_event(text: str) -> set[str]:
    """Return the names by which the users of a trace event are found; empty if ``text`` is
    something else."""
    found = _EVENT.match(text)
    return {f"trace_{found[1]}", "CREATE_TRACE_POINTS"} if found else set()


def _uses_one(unit: ParsedFile, names: set[str]) -> bool:
    asks = _asks(names)
    return any(item.uses & names or asks(item.conditions) for item in unit.items) or any(
        asks(under) for _, under in undefined(unit.text)
    )


def _declared(unit: ParsedFile) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for item in unit.items:
        for name in item.names if item.kind is ItemKind.PROTOTYPE else ():
            found.setdefault(name.rpartition(" ")[2], []).append((item.tokens, item.conditions))
    return found


def _unnamed(changes: Changes) -> Iterator[str]:
    """Yield a sentence for each difference in a header that has no name by which to find its
    users."""
    path = changes.before.path
    old, new = (
        [(i.tokens, i.conditions) for i in unit.items if i.kind is ItemKind.INCLUDE]
        for unit in (changes.before, changes.after)
    )
    what = ["its includes"] if old != new else []
    others = {*_others(changes.before)} ^ {*_others(changes.after)}
    what += ["macros at its top level"] if not all(_of_event(text) for text, _ in others) else []
    for one in what:
        yield f"{path} changes {one}, and too many files include it to compile them all"


def _assembler(
    changes: Changes, users: Collection[str], tree: Path, read: Callable[[str], Changes | None]
) -> Iterator[str]:
    """Yield a sentence if assembler may use the changed macros of a header: it is not compared."""
    path = changes.before.path
    items = (*changes.changed, *changes.added, *changes.removed)
    macros = [
        item.name
        for item in items
        if item.kind is ItemKind.MACRO and not any("__ASSEMBLY__" in c for c in item.conditions)
    ]
    sources = sorted(user for user in users if user.endswith(".S"))
    if not sources or not macros:
        return
    names = set(macros)
    headers = [user for user in users if user.endswith(".h")]
    _follow(names, [path, *headers], tree, read, {})
    wanted = NamePattern(names)
    texts = dict(_texts((path, *headers, *sources), tree))
    macro = any(b".macro" in text and wanted.search(text) for text in texts.values())
    using = [
        s for s in sources if len(names) > _MOST_NAMES or macro or wanted.search(texts.get(s, b""))
    ]
    if using:
        yield f"{path} changes {', '.join(macros)}, which the assembler in {using[0]} may use"


def _follow(
    names: set[str],
    headers: Iterable[str],
    tree: Path,
    read: Callable[[str], Changes | None],
    standing: dict[tuple[str, str], None],
    elsewhere: _Elsewhere | None = None,
) -> list[str]:
    """Add what in ``headers``, or ``elsewhere``, depends on ``names`` to ``names`` and to
    ``standing``. Return what could not be followed, one sentence each."""
    texts = dict(_texts(headers, tree))
    lost: dict[str, None] = {}
    todo = set(names)
    while todo:
        if len(names) > _MOST_NAMES:
            return [f"more than {_MOST_NAMES} names depend on {', '.join(sorted(names)[:3])}"]
        texts |= _texts(elsewhere.using(todo, standing), tree) if elsewhere else ()
        wanted = NamePattern(todo)
        asks = _asks(todo - _MAKES_EVENTS)
        fresh: set[str] = set()
        for path, text in texts.items():
            if not wanted.search(text):
                continue
            changes = read(path)
            if changes is None:
                continue
            fresh |= {name for name, under in undefined(changes.after.text) if asks(under)}
            for item in changes.after.items:
                conditional = asks(item.conditions)
                if item.kind is ItemKind.INCLUDE and conditional:
                    lost[f"what {path} includes depends on what is changed"] = None
                if item.kind is ItemKind.PROTOTYPE and conditional:
                    fresh |= {name for name in item.names if " " not in name}
                if item.kind in (ItemKind.INCLUDE, ItemKind.PROTOTYPE):
                    continue
                if not conditional and not wanted.search(
                    item.text.encode("latin-1", errors="replace")
                ):
                    continue
                if item.kind is ItemKind.OTHER:
                    fresh |= _of_event(item.text)
                    if not _of_event(item.text):
                        lost[f"macros at the top level of {path} depend on what is changed"] = None
                    continue
                fresh |= {name.rpartition(" ")[2] for name in item.names}
                fresh |= _enumerated(item, changes.after)
                standing |= {(path, name): None for name in item.names}
        todo = fresh - names
        names |= todo
    return list(lost)


def _asks(names: set[str]) -> Callable[[Iterable[str]], bool]:
    """Return a function that tells whether conditions name one of ``names``."""
    return lambda conditions: any(names & {*_WORD.findall(one)} for one in conditions)


def _texts(paths: Iterable[str], tree: Path) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        if (tree / path).is_file():
            yield path, (tree / path).read_bytes()


def _enumerated(item: Item, unit: ParsedFile) -> set[str]:
    """Return the constants that macros generate in an enum, and perhaps more names: each word of a
    list, with what is pasted to it (READING_ ## ENUM, include/linux/kernel_read_file.h, v6.1)."""
    if item.kind is not ItemKind.TYPE or not re.match(r"\s*(?:typedef\s+)?enum\b", item.text):
        return set()
    macros = [
        one.text
        for name in (*item.uses, *item.names)
        for one in unit.by_name.get(name, ())
        if one.kind is ItemKind.MACRO and "(" in one.text.partition(name)[2][:1]
    ]
    text = "\n".join(macros)
    words = set(re.findall(r"\b[A-Za-z_]\w{2,}\b", text)) - {"define"}
    parts = re.findall(r"(\w*)[ \t]*##[ \t]*(\w*)", text)
    pasted = {f"{head}{word}" for head, _ in parts if head.endswith("_") for word in words}
    pasted |= {f"{word}{tail}" for _, tail in parts if tail.startswith("_") for word in words}
    return pasted or words
