# SPDX-License-Identifier: MIT
"""Account for each changed line: carried, without effect on code, or left out."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lppack.csource.hunks import Hunk, hunks, item_at
from lppack.csource.items import Item, ItemKind
from lppack.csource.makefile import objects_between
from lppack.csource.parse import parse
from lppack.drafting.edit import BYTES, NO_CODE, Edit
from lppack.drafting.lasting import moved
from lppack.drafting.places import Cannot, Target
from lppack.drafting.registered import SECTIONS, invoked, registered_as
from lppack.proof.compare import UnitDifference
from lppack.proof.kbuild import Unit, apart
from lppack.proof.prover import Comparison


class Fate(StrEnum):
    CARRIED = "carried"
    NO_EFFECT = "no effect on code"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Some changed lines of the diff, and their fate in the patch."""

    path: str
    line: int  # from 1
    what: str
    fate: Fate
    why: str

    @property
    def is_carried(self) -> bool:
        return self.fate is Fate.CARRIED

    @property
    def is_left_out(self) -> bool:
        return self.fate is Fate.LEFT_OUT


_OTHER_FILES = (
    (r"(?:^|/)(?:Makefile|Kbuild)$", "it is for kbuild: how the kernel was built is past changing"),
    (r"(?:^|/)Kconfig[\w.-]*$", "it is for the configuration, which this kernel has already"),
    (r"\.[sS]$", "it is assembler, which no live patch replaces"),
)
_NOTHING = "no code of the kernel is compiled from it"
_STAYS = "it is data with other contents, and the kernel's own stays"


def account(
    edit: Edit,
    comparison: Comparison,
    targets: Sequence[Target],
    cannot: Sequence[Cannot],
    unfinished: Collection[str],
    overridden: Collection[tuple[str, str]] = (),
) -> tuple[Line, ...]:
    """Return each run of changed lines, in diff order.

    ``unfinished``: data that changes, for which a person must write code. ``overridden``: path and
    name of weak functions for which the kernel uses another file's function.
    """
    teller = _Account(edit, comparison, targets, cannot, unfinished, overridden)
    return tuple(line for path in edit.files for line in teller.file(path))


class _Account:
    def __init__(
        self,
        edit: Edit,
        comparison: Comparison,
        targets: Sequence[Target],
        cannot: Sequence[Cannot],
        unfinished: Collection[str],
        overridden: Collection[tuple[str, str]],
    ) -> None:
        self._edit = edit
        self._comparison = comparison
        self._targets = targets
        self._cannot = cannot
        self._unfinished = unfinished
        self._overridden = overridden
        self._moved = moved(comparison)
        self._changes = {changes.before.path: changes for changes in edit.changes}

    def file(self, path: str) -> Iterator[Line]:
        was, now = self._edit.files[path]
        if not path.endswith((".c", ".h")) or NO_CODE.match(path):
            yield self._other(path, was, now)
            return
        if path.endswith(".c") and None in (was, now):
            fate, why = self._whole(path)
            yield Line(path=path, line=1, what=path.rpartition("/")[2], fate=fate, why=why)
            if fate is Fate.CARRIED:
                yield from self._registered(path)
            return
        changes = self._changes[path]
        before, after = ((data or b"").decode(BYTES) for data in (was, now))
        for hunk in hunks(before, after, changes.before, changes.after):
            fate, why = self._fate(path, hunk)
            yield Line(path=path, line=hunk.line, what=_what(hunk.item), fate=fate, why=why)

    def _other(self, path: str, was: bytes | None, now: bytes | None) -> Line:
        before, after = ((data or b"").decode(BYTES) for data in (was, now))
        line = next((hunk.line for hunk in hunks(before, after, None, None)), 1)
        what = path.rpartition("/")[2]
        if known := self._built(path, before, after):
            fate, why = known
        elif NO_CODE.match(path):
            elsewhere = path.startswith("arch/")
            fate = Fate.NO_EFFECT
            why = "it is for another architecture" if elsewhere else _NOTHING
        else:
            fate = Fate.LEFT_OUT
            reasons = (text for pattern, text in _OTHER_FILES if re.search(pattern, path))
            why = next(reasons, "it is no C: what it changes was not looked at")
        return Line(path=path, line=line, what=what, fate=fate, why=why)

    def _built(self, path: str, before: str, after: str) -> tuple[Fate, str] | None:
        """Return the fate of a Makefile whose only change is to name new or renamed files."""
        folder, _, name = path.rpartition("/")
        found = objects_between(before, after) if name in ("Makefile", "Kbuild") else None
        added, gone = (
            {(where, f"{folder}/{o[:-2]}.c") for where, o in of} for of in found or ((), ())
        )
        renamed = self._edit.renamed
        fresh = {of for _, of in added if of not in renamed}
        new = all(self._edit.files.get(of, (b"", b""))[0] is None for of in fresh)
        # Under the new name it must stand where it stood under the old one.
        kept = {(where, renamed[of]) for where, of in added if of in renamed}
        if not added or not new or gone != kept:
            return None
        if any(self._whole(of)[0] is not Fate.CARRIED for of in fresh):
            return None
        if fresh:
            return Fate.CARRIED, "the new file is compiled into the patch"
        return Fate.NO_EFFECT, "a file's name is no code of the kernel"

    def _fate(self, path: str, hunk: Hunk) -> tuple[Fate, str]:
        item = hunk.item
        units = self._units(path)
        if no := self._not_compared(path):
            return no
        if not units and not self._comparison.too_many:
            return Fate.NO_EFFECT, "no file that this kernel is built from uses what differs"
        broken = [unit for unit in units if unit.before is None or unit.after is None]
        if broken:
            one = broken[0]
            unchanged = one.before is None  # a header is missing that the kernel's build makes
            how = (
                "cannot be compiled outside of the kernel's build"
                if unchanged
                else "does not compile"
            )
            return Fate.LEFT_OUT, f"{one.unit.path} {how}: {one.error}"
        differing = [unit for unit in units if not unit.identical]
        if units and not differing and not self._comparison.too_many:
            return Fate.NO_EFFECT, "the object code is identical"
        if item is not None and (path, item.name) in self._overridden:
            return Fate.NO_EFFECT, "it is weak, and the kernel has another file's"
        if item is None and self._is_off(path, hunk):
            return Fate.NO_EFFECT, "this kernel's configuration leaves it out"
        if item is None or item.kind in (ItemKind.INCLUDE, ItemKind.PROTOTYPE):
            return Fate.CARRIED, "it is no code by itself"
        if item.kind is ItemKind.FUNCTION:
            return self._function(item, differing)
        if item.kind is ItemKind.VARIABLE:
            return self._variable(item, differing)
        if item.kind is ItemKind.OTHER:
            return self._invocation(item, differing)
        if any(name.rpartition(" ")[2] in self._unfinished for name in item.names):
            return Fate.LEFT_OUT, "a person must write how the data that lives already is converted"
        if self._targets:
            return Fate.CARRIED, "by the functions that are compiled with it"
        return Fate.LEFT_OUT, "what is compiled with it could not be replaced"

    def _is_off(self, path: str, hunk: Hunk) -> bool:
        """Whether code is there in a branch that this kernel is not compiled with."""
        text = self._edit.files[path][0 if hunk.before else 1] or b""
        item = item_at(parse(path, text.decode(BYTES)), hunk.line)
        return item is not None and item.kind not in (ItemKind.INCLUDE, ItemKind.PROTOTYPE)

    def _not_compared(self, path: str) -> tuple[Fate, str] | None:
        if path in self._comparison.not_built:
            return Fate.NO_EFFECT, "this kernel is built without the file"
        if path in self._comparison.built_apart:
            return Fate.LEFT_OUT, apart(path) or "how the kernel is built from it is not known"
        return None

    def _whole(self, path: str) -> tuple[Fate, str]:
        """Return the fate of a C file that is new or removed."""
        if no := self._not_compared(path):
            return no
        if self._edit.files[path][1] is None:
            return Fate.LEFT_OUT, "the file is gone, and the kernel keeps what it was built with"
        if self._is_used(path):
            return Fate.CARRIED, "with the functions that use it"
        return Fate.LEFT_OUT, "it is a new file, and nothing that is replaced uses it"

    def _registered(self, path: str) -> Iterator[Line]:
        """Yield the lines of a new file that register something with the kernel."""
        whys = {what: why for _, what, why in SECTIONS}
        for item in self._changes[path].after.items:
            kind = invoked(item) if item.kind is ItemKind.OTHER else ""
            if kind in whys:
                why = f"it is {kind}: {whys[kind]}"
                yield Line(path=path, line=item.line, what=_what(item), fate=Fate.LEFT_OUT, why=why)

    def _function(self, item: Item, differing: Sequence[UnitDifference]) -> tuple[Fate, str]:
        name = item.name
        no = next((one for one in self._cannot if _base(one.what) == name), None)
        if no is not None:
            return Fate.LEFT_OUT, no.why
        by = [target.name for target in self._targets if name in (*target.covers, target.name)]
        if by:
            return Fate.CARRIED, f"by {', '.join(dict.fromkeys(by))}"
        if item.init and "__exit" in item.text[: item.body].split():
            return Fate.LEFT_OUT, "it is __exit, which ftrace cannot hook"
        if item.init:
            return Fate.LEFT_OUT, "it is __init: it has run, and its memory is given back"
        if self._targets:
            # select() has a target, or a reason, for each function that differs.
            return Fate.CARRIED, "what is compiled with it is replaced, or does not differ"
        added = {one for unit in self._comparison.units for one in unit.added}
        if name.startswith("__do_") and name.replace("__do_", "__x64_", 1) in added:
            return (
                Fate.LEFT_OUT,
                "it is a new system call, and the kernel's table has no entry of it",
            )
        if name in added:
            return Fate.LEFT_OUT, "it is new, and nothing that is replaced calls it"
        functions = any((*unit.changed, *unit.added, *unit.removed) for unit in differing)
        if differing and not functions and not self._comparison.too_many:
            return Fate.NO_EFFECT, "the functions' object code is identical"
        return Fate.LEFT_OUT, "what is compiled with it could not be replaced"

    def _variable(self, item: Item, differing: Sequence[UnitDifference]) -> tuple[Fate, str]:
        if item.name in self._unfinished:
            return Fate.LEFT_OUT, "it is data that lives already: a person must write a hook for it"
        paths = {unit.unit.path for unit in differing}
        same = [m for m in self._moved if m.name == item.name and {m.before, m.after} & paths]
        if any(not one.is_same for one in same):
            return Fate.LEFT_OUT, _STAYS
        if any(one.is_kernels for one in same):
            return Fate.CARRIED, "it is the kernel's own, which another file defines"
        if same:
            return Fate.CARRIED, "nothing writes to it, and its contents stay the same"
        if units := [unit for unit in differing if item.name in unit.data]:
            return Fate.LEFT_OUT, _stays(units[0], item.name)
        if any(item.name in unit.removed_data for unit in differing):
            return Fate.CARRIED, "nothing that is replaced uses it"
        return Fate.CARRIED, "with the functions that use it"

    def _invocation(self, item: Item, differing: Sequence[UnitDifference]) -> tuple[Fate, str]:
        kind = invoked(item)
        if kind == "a note":
            return Fate.NO_EFFECT, "it is a note in the module's file"
        names = [(unit, name) for unit in differing for name in sorted(unit.registered)]
        for what, why in filter(None, (registered_as(*one) for one in names)):
            if what == kind:
                return Fate.LEFT_OUT, f"it is {what}: {why}"
        return Fate.CARRIED, "it is no code by itself"

    def _units(self, path: str) -> list[UnitDifference]:
        """Return the compiled files that the file may be part of."""
        found = [unit for unit in self._comparison.units if unit.unit.path == path]
        if path.endswith(".h") or not found:
            found += [unit for unit in self._comparison.units if unit not in found]
        elif len(self._comparison.units) > len(found):
            included = [u for u in self._comparison.units if u.unit.path not in self._edit.files]
            found += [unit for unit in included if unit not in found]
        return found

    def _is_used(self, path: str) -> bool:
        """Return True if a replacement contains or calls code of the file."""
        names = self._changes[path].after.functions.keys()
        return any(t.path == path or names & set(t.covers) for t in self._targets)


def left_out_of_objects(
    comparison: Comparison, lines: Sequence[Line], said: Collection[str]
) -> Iterator[Line]:
    """Report differences that belong to no single line: data, exports, parameters."""
    taken = {line.what for line in lines if line.fate is Fate.LEFT_OUT}
    told: set[tuple[Unit, str]] = set()
    for one in moved(comparison):
        if not one.is_same and one.name not in taken:
            what = f"{one.name} of {one.object}"
            yield Line(path=one.after, line=0, what=what, fate=Fate.LEFT_OUT, why=_STAYS)
    for unit in comparison.units:
        if unit.before is None or unit.after is None:
            continue  # it does not compile; its lines are reported
        for name in unit.registered:
            found = registered_as(unit, name)
            if found is None and name not in (*unit.data, *unit.others):
                continue  # a new variable is carried with its users
            if name.startswith((".modinfo", "__ksymtab_strings")) or (
                found is None and name.startswith("__UNIQUE_ID")
            ):
                continue  # for tools on disk
            if name in said or name in taken:
                continue
            if found is not None:
                if any(line.why.startswith(f"it is {found[0]}") for line in lines):
                    continue
                what, why = found[0], f"it is {found[0]}: {found[1]}"
                if (unit.unit, what) in told:
                    continue
                told.add((unit.unit, what))
            elif name.startswith((".", "__")):
                what, why = f"section {name}", "it differs, and no live patch brings it"
            else:
                what, why = name.partition("#")[0], _stays(unit, name)
            yield Line(
                path=unit.unit.path,
                line=0,
                what=f"{what} of {', '.join(unit.unit.objects)}",
                fate=Fate.LEFT_OUT,
                why=why,
            )


def _stays(unit: UnitDifference, name: str) -> str:
    """Return why data that differs is left out."""
    assert unit.before is not None and unit.after is not None
    was, now = (of.data.get(name) for of in (unit.before, unit.after))
    if was and now and was.size != now.size:
        return "it is data of another size, and the kernel's own stays"
    if was and now and was.key == now.key:
        return "it is data in another section or with another alignment, and the kernel's own stays"
    return _STAYS


def _what(item: Item | None) -> str:
    if item is None:
        return "lines between items"
    if item.name:
        return item.name
    return " ".join(item.text.split())[:60]


def _base(what: str) -> str:
    return what.partition(" ")[0].partition(".")[0]
