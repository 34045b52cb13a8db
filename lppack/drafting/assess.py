# SPDX-License-Identifier: MIT
"""Assess how a change affects a kernel's object code, and which functions a patch must replace."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lppack.csource.items import Item, ParsedFile
from lppack.drafting.account import Fate, Line, account, left_out_of_objects
from lppack.drafting.advice import Advice, advise, refused
from lppack.drafting.edit import Edit
from lppack.drafting.enums import perhaps_of_another_type
from lppack.drafting.laid_out import laid_out
from lppack.drafting.lasting import perhaps_another, perhaps_renamed
from lppack.drafting.once import again
from lppack.drafting.places import Cannot, Files, Places, Target
from lppack.drafting.select import select, whole
from lppack.kernel.facts import Facts
from lppack.proof.match import Matched
from lppack.proof.prover import Comparison, Prover

_NO_ADVICE = Advice(layouts=(), data=(), counters=(), locks=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What a change does to the object code of a kernel, and what a patch of it has to replace."""

    targets: tuple[Target, ...]
    cannot: tuple[Cannot, ...]
    notes: tuple[str, ...]
    advice: Advice
    lines: tuple[Line, ...]
    mismatches: tuple[str, ...]
    places: Mapping[tuple[str, str], Places]  # (path, object): the file's symbols in the object

    @property
    def left_out(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.fate is Fate.LEFT_OUT)

    @property
    def first(self) -> Places | None:
        """Return the first object; it also gets code that belongs to no function of the patch."""
        return next(iter(self.places.values()), None)


def assess(
    edit: Edit, comparison: Comparison, prover: Prover, facts: Facts, files: Files
) -> Assessment:
    """Find what to replace, and account for each changed line."""
    touched = touched_by(edit)
    matched = _matched(comparison, prover)
    places = {
        (unit.unit.path, object_): Places(facts, object_, unit.before, matched[number, object_])
        for number, unit in enumerate(comparison.units)
        for object_ in unit.unit.objects
        if unit.before is not None
    }
    moved = _moved(comparison)
    of = whole(comparison, edit.changes)
    targets: list[Target] = []
    cannot: list[Cannot] = []
    notes: list[str] = []
    doubts: list[str] = []
    for unit in comparison.units:
        if unit.identical or unit.before is None or unit.after is None:
            continue
        changes = files(unit.unit.path)
        assert changes is not None
        for object_ in unit.unit.objects:
            found = select(unit, places[unit.unit.path, object_], changes, touched, moved, of)
            targets += found.targets.values()
            cannot += found.cannot
            notes += found.notes
            doubts += found.doubts
    for target in _from_their_new_place(comparison, moved, places, files):
        if isinstance(target, Target):
            targets.append(target)
        else:
            cannot.append(target)
    cannot += _instead_of_others(edit, comparison, facts)
    targets = _named_apart(targets)
    first = next(iter(places.values()), None)
    by_path = {path: one for (path, _), one in places.items()}
    advice = _NO_ADVICE
    if first is not None:
        there = [one for one in edit.changes if edit.files[one.before.path][1] is not None]
        advice = advise(there, lambda path: by_path.get(path, first))
    advice = _that_differs(advice, comparison)
    lines = account(
        edit, comparison, targets, cannot, _unfinished(advice), set(_overridden(places))
    )
    lines += tuple(left_out_of_objects(comparison, lines, advice.data))
    lines += _not_covered(cannot, lines)
    return Assessment(
        targets=tuple(targets),
        cannot=(*cannot, *refused(advice)),
        notes=tuple(notes),
        advice=advice,
        lines=lines,
        mismatches=(
            *doubts,
            *_mismatches(comparison, matched, _new_files(edit)),
            *again(comparison, targets, files),
            *laid_out(edit, comparison, files),
            *perhaps_of_another_type(edit.changes),
        ),
        places=places,
    )


def _overridden(places: Mapping[tuple[str, str], Places]) -> Iterator[tuple[str, str]]:
    """Yield (path, function) of weak functions that another file of the kernel overrides."""
    for (path, _), one in places.items():
        same = [other for (other_path, _), other in places.items() if other_path == path]
        for name in one.code.functions:
            if all(other.overridden(name) for other in same):
                yield path, name


def touched_by(edit: Edit) -> dict[str, Item]:
    """Return the functions that the diff changes or adds, in their new text."""
    found: dict[str, Item] = {}
    for changes in edit.changes:
        names = {*changes.functions(), *(n for item in changes.added for n in item.names)}
        for name, item in changes.after.functions.items():
            if name in names:
                found[name] = item
    return found


def _matched(comparison: Comparison, prover: Prover) -> dict[tuple[int, str], dict[str, Matched]]:
    """Compare the unchanged source with the running kernel, for each affected file."""
    return {
        (number, object_): prover.match(object_, unit.before) if unit.before else {}
        for number, unit in enumerate(comparison.units)
        for object_ in unit.unit.objects
    }


def _new_files(edit: Edit) -> list[ParsedFile]:
    return [one.after for one in edit.changes if edit.files[one.before.path][0] is None]


def _mismatches(
    comparison: Comparison,
    matched: Mapping[tuple[int, str], Mapping[str, Matched]],
    new: Sequence[ParsedFile],
) -> tuple[str, ...]:
    """Return a sentence for each doubt that the sources are the kernel's, or are complete."""
    found = [*comparison.affected.not_followed]
    if comparison.too_many and not found:
        found.append("more C files may be affected than were compiled")
    found += perhaps_another(comparison)
    found += perhaps_renamed(comparison, new)
    for (number, object_), functions in matched.items():
        unit = comparison.units[number]
        bad = [one for one in functions.values() if one.symbol is None and not one.expected]
        if bad:
            names = ", ".join(one.name for one in bad[:3])
            found.append(
                f"{len(bad)} of {len(functions)} functions of {unit.unit.path} are not as in "
                f"{object_}: {names}: {bad[0].why}"
            )
    return tuple(found)


def _moved(comparison: Comparison) -> dict[str, str]:
    """Return the functions that moved to another file, with that file."""
    gone = {name for unit in comparison.units for name in unit.removed}
    return {
        name: unit.unit.path for unit in comparison.units for name in unit.added if name in gone
    }


def _from_their_new_place(
    comparison: Comparison,
    moved: Mapping[str, str],
    places: Mapping[tuple[str, str], Places],
    files: Files,
) -> Iterator[Target | Cannot]:
    """Yield replacements of functions that moved to another file and differ there."""
    for name, path in moved.items():
        [new] = [unit for unit in comparison.units if unit.unit.path == path][:1]
        text = files(path)
        for unit in comparison.units:
            if name not in unit.removed or unit.before is None or new.after is None:
                continue
            old = unit.before.functions[name]
            same_object = unit.unit.objects == new.unit.objects
            if same_object and not old.static and old.key == new.after.functions[name].key:
                continue
            for object_ in unit.unit.objects:
                _, symbol = places[unit.unit.path, object_].symbol(name)
                several = symbol and places[unit.unit.path, object_].several(name)
                written = text is not None and name in text.after.functions
                if symbol is None or not symbol.traceable or not same_object or not written:
                    yield Cannot(
                        what=f"{name} of {object_}",
                        why=f"it is in {path} now, and cannot be replaced from there",
                        way="replace by hand what calls it, or install the fixed kernel",
                        path=unit.unit.path,
                    )
                    continue
                yield Target(
                    name=name,
                    path=path,
                    object=object_,
                    sympos=symbol.sympos if several else None,
                    covers=(name,),
                )


def _instead_of_others(edit: Edit, comparison: Comparison, facts: Facts) -> Iterator[Cannot]:
    """Yield new functions of vmlinux of which the kernel has one of the same name: a weak one, as a
    rule, which all that is not replaced goes on to call."""
    fresh = [
        (unit.unit.path, name)
        for unit in comparison.units
        if unit.before and unit.after and "vmlinux" in unit.unit.objects
        for name in unit.added
        if not unit.after.functions[name].static
    ]
    fresh += [
        (one.path, name)
        for one in _new_files(edit)
        for name, item in one.functions.items()
        if not item.static and one.path.endswith(".c")
    ]
    gone = {name for unit in comparison.units for name in unit.removed}
    for path, name in fresh:
        if name not in gone and any(copy.type in "TW" for copy in facts.copies(name)):
            yield Cannot(
                what=f"{name} of vmlinux",
                why="the kernel has another file's function of that name, and goes on to call it",
                way=f"replace {name} by hand, by what is new",
                path=path,
            )


def _named_apart(targets: Sequence[Target]) -> list[Target]:
    """Give replacements of functions that share a name distinct names."""
    names = [target.name for target in targets]
    found = []
    for target in targets:
        if names.count(target.name) > 1:
            stem = target.path.rpartition("/")[2].removesuffix(".c").replace("-", "_")
            objects = {t.object for t in targets if t.path == target.path}
            of = f"{target.object}_{stem}" if len(objects) > 1 else stem
            target = replace(target, new=f"lp_{of}_{target.name}")
        found.append(target)
    return found


def _that_differs(advice: Advice, comparison: Comparison) -> Advice:
    """Remove variables whose compiled contents are equal."""
    compiled = [unit for unit in comparison.units if unit.before and unit.after]
    names = {name for unit in compiled for name in (*unit.data, *unit.removed_data)}
    return replace(advice, data=tuple(name for name in advice.data if name in names))


def _unfinished(advice: Advice) -> set[str]:
    renamed = [x.renamed.rpartition(" ")[2] for x in advice.layouts if x.renamed]
    return {*advice.data, *renamed, *(layout.name for layout in advice.layouts)}


def _not_covered(cannot: Sequence[Cannot], lines: Sequence[Line]) -> tuple[Line, ...]:
    """Report code that differs, is not replaced, and belongs to no changed line."""
    said = {(line.path, line.why) for line in lines if line.fate is Fate.LEFT_OUT}
    return tuple(
        Line(path=one.path, line=one.line, what=one.what, fate=Fate.LEFT_OUT, why=one.why)
        for one in cannot
        if (one.path, one.why) not in said
    )
