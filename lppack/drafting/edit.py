# SPDX-License-Identifier: MIT
"""A change of the kernel's sources: a unified diff, or what a later version has."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from lppack.csource.changes import Changes, compare, only, patched, path_of, read_diff
from lppack.csource.items import Item, Kind, Unit
from lppack.csource.parse import parse
from lppack.drafting.places import Cannot, Files
from lppack.errors import AnswerIsNo
from lppack.kernel.config import KernelConfig

#: One file of the kernel's tree; None: there is none of that path.
Read = Callable[[str], bytes | None]
#: Headers, with their paths, that have one of the words.
Headers = Callable[[Collection[str]], Iterable[tuple[str, bytes]]]

_HASH = re.compile(
    r"^\s*(?:\[ *Upstream commit |commit |\(cherry picked from commit |From )([0-9a-f]{12,40})\b",
    re.MULTILINE | re.IGNORECASE,
)
_SUBJECT = re.compile(r"^Subject: (?:\[[^\]]*\] *)?(.+(?:\n[ \t].+)*)", re.MULTILINE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b")
# The kernel's files are in no one encoding: this one keeps each byte.
BYTES = "latin-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change: its files before and after, and what is said of it."""

    changes: tuple[Changes, ...]
    subject: str
    commit: str | None = None  # None: it names none
    cve: str | None = None
    borrowed: tuple[tuple[str, Item], ...] = ()  # (path, what only a later version's header has)


def of_diff(text: str, read: Read, config: KernelConfig) -> Edit:
    """The change that a unified diff makes of the kernel's own sources. Raises AnswerIsNo."""
    found = []
    for file in read_diff(text):
        path = path_of(file)
        if not path.endswith((".c", ".h")):
            continue
        before = b"" if file.is_added_file else read(path)
        if before is None:
            raise AnswerIsNo(
                f"the sources of this kernel have no {path}",
                hint="paths are taken without their first part (a/, b/), as with patch -p1",
            )
        old = before.decode(BYTES)
        found.append(_compared(path, old, patched(old, file), config))
    if not found:
        raise AnswerIsNo("the diff changes no C", hint="what is not C cannot be live patched")
    subject = _SUBJECT.search(text)
    commit, cve = _HASH.findall(text), _CVE.search(text)
    return Edit(
        changes=tuple(found),
        subject=" ".join(subject[1].split()) if subject else f"change {found[0].before.path}",
        commit=commit[-1] if commit else None,
        cve=cve[0] if cve else None,
    )


def between(
    path: str, functions: Sequence[str], old: Read, new: Read, config: KernelConfig
) -> Edit:
    """What a later version of the sources has of some functions of one file. Raises AnswerIsNo."""
    before, after = old(path), new(path)
    if before is None or after is None:
        raise AnswerIsNo(f"one of the two versions has no {path}")
    changes = _compared(path, before.decode(BYTES), after.decode(BYTES), config)
    if functions:
        changes = only(changes, functions)
    names = ", ".join(functions) or "change"
    return Edit(changes=(changes,), subject=f"{path}: {names} as in a later version")


def borrow(
    edit: Edit, names: Collection[str], old: Headers, new: Headers, config: KernelConfig
) -> tuple[Edit, tuple[Cannot, ...]]:
    """``edit`` with what ``new`` has of ``names`` in a header, and ``old`` has in none.

    Only macros and inline functions, and such as stand on what the old headers have: what came with
    new types or new helpers may mean something else in this kernel.
    """
    found: dict[str, tuple[str, Item]] = {}
    cannot = [no for name in sorted(names) if (no := _stands(name, found, old, new, config))]
    return replace(edit, borrowed=(*edit.borrowed, *found.values())), tuple(cannot)


def _stands(
    name: str, taken: dict[str, tuple[str, Item]], old: Headers, new: Headers, config: KernelConfig
) -> Cannot | None:
    """Takes it, after what it stands on; or says why it cannot be."""
    after = _defined([name], new([name]), config).get(name, [])
    if name in taken or not after or _defined([name], old([name]), config):
        return None
    path, item = after[0]
    # To look for a definition of each would be to read most of the headers.
    lacks = {n for n in item.uses - {name} if not any(old([n])) and any(new([n]))}
    more = dict(taken)
    missing = (_stands(other, more, old, new, config) for other in sorted(lacks))
    why = f"it came with {path} of the later version"
    if len(after) > 1 or item.kind not in (Kind.MACRO, Kind.FUNCTION):
        why += ", and is no macro and no inline function"
    elif no := next(filter(None, missing), None):
        why += f", and uses {no.what}, which this kernel does not have either: {no.why}"
    else:
        taken |= more
        taken[name] = path, item
        return None
    return Cannot(what=name, why=why, way="write by hand what the fix needs of it")


def _defined(
    names: Collection[str], headers: Iterable[tuple[str, bytes]], config: KernelConfig
) -> dict[str, list[tuple[str, Item]]]:
    found: dict[str, list[tuple[str, Item]]] = {}
    for path, text in headers if names else ():
        unit = _parsed(path, text.decode(BYTES), config)
        for name in unit.by_name.keys() & set(names):
            items = [unit.unguarded(item) for item in unit.by_name[name]]
            found.setdefault(name, []).extend((path, item) for item in items)
    return found


def files_of(every: Sequence[Changes], read: Read, config: KernelConfig) -> Files:
    known: dict[str, Changes | None] = {changes.before.path: changes for changes in every}

    def file(path: str) -> Changes | None:
        if path not in known:
            text = read(path) if path.endswith((".c", ".h")) else None
            same = text.decode(BYTES) if text is not None else None
            known[path] = _compared(path, same, same, config) if same is not None else None
        return known[path]

    return file


def _compared(path: str, old: str, new: str, config: KernelConfig) -> Changes:
    return compare(_parsed(path, old, config), _parsed(path, new, config))


def _parsed(path: str, text: str, config: KernelConfig) -> Unit:
    def known(name: str) -> bool | None:
        if not name.startswith("CONFIG_"):
            return None
        if name.endswith("_MODULE") and name not in config:
            return config.get(name.removesuffix("_MODULE")) == "m"
        return config.get(name, "n") not in ("n", "m")

    return parse(path, text, known)
