# SPDX-License-Identifier: MIT
"""Predict from the object code which symbols a patch needs that are not exported.

Without this prediction, a first build would fail, and the compiler would report them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from lppack.drafting.places import Places, Target
from lppack.proof.compare import UnitDifference
from lppack.proof.objects import ObjectFile


def expected(
    units: Sequence[UnitDifference],
    targets: Sequence[Target],
    places: Mapping[tuple[str, str], Places],
) -> frozenset[str]:
    """Return the names that the replaced functions refer to, as compiled with the change."""
    found: set[str] = set()
    for unit in units:
        for object_ in unit.unit.objects:
            key = (unit.unit.path, object_)
            names = {
                name for t in targets if (t.path, t.object) == key for name in (t.name, *t.covers)
            }
            if names and key in places:
                found |= {n for n in _outside(unit, names) if _is_unexported(n, places[key])}
    return frozenset(found)


def _outside(unit: UnitDifference, names: Collection[str]) -> Iterator[str]:
    """Yield the symbols of other files to which the functions refer, and global variables of the
    file.

    Also what those refer to of which the patch has a copy: functions that are new, and such as the
    kernel has a changed copy of alone (NAME.isra.0).
    """
    if unit.before is None or unit.after is None:
        return
    after = unit.after
    own = {name for f in after.functions.values() for name in (f.name, *f.aliases)} | {*after.data}
    todo = [function for function in after.functions.values() if function.base in names]
    seen = {function.name for function in todo}
    while todo:
        for reference in todo.pop().references:
            kind, what, _ = reference.target
            if kind != "symbol" or not isinstance(what, str):
                continue
            if what not in own or (what in after.data and not after.data[what].static):
                yield what
            elif what in after.functions.keys() - seen and (what in unit.added or "." in what):
                seen.add(what)
                todo.append(after.functions[what])


def referred(code: ObjectFile, names: Collection[str]) -> frozenset[str]:
    """Return the symbols that functions of ``names`` refer to, and those that macros made."""
    return frozenset(
        what
        for function in code.functions.values()
        if function.base in names or function.base.startswith("__")
        for said in (function.references, *(entry[2] for entry in function.entries))
        for kind, what, _ in (reference.target for reference in said)
        if kind == "symbol" and isinstance(what, str)
    )


def _is_unexported(name: str, here: Places) -> bool:
    export = here.facts.exported(name)
    if not name.isidentifier() or (export is not None and export.module is None):
        return False
    home, position = here.home(name)
    if position == 0 or (position and name in here.code.data):
        return False
    if home == "vmlinux":
        return bool(here.facts.copies(name))
    return home == here.object or (export is not None and export.module == home)
