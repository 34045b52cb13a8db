# SPDX-License-Identifier: MIT
"""draft: turn a change of the kernel's sources into a patch folder for one exact kernel."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lppack.csource.items import Item, ItemKind
from lppack.drafting.account import Fate, Line
from lppack.drafting.advice import refused, stubs, words
from lppack.drafting.assess import Assessment, assess, touched_by
from lppack.drafting.carry import Carried, CarryRequest, carry, nothing
from lppack.drafting.copy import MARK
from lppack.drafting.edit import BYTES, Edit, Read, files_of, makefile_defines
from lppack.drafting.expected import expected
from lppack.drafting.macros import altered, undefined
from lppack.drafting.manifest import CHANGE, README, manifest_of, manifest_text
from lppack.drafting.places import Cannot, Files, Places, Target
from lppack.drafting.text import built_as, c_text, comment
from lppack.errors import AnswerIsNo
from lppack.kernel.config import KernelConfig
from lppack.kernel.facts import Facts
from lppack.names import MANIFEST
from lppack.proof.prover import Comparison, Prover
from lppack.resources import render

NOTHING = CarryRequest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A patch folder, and what it carries and leaves out."""

    name: str
    folder: str  # path, as the user gave it
    subject: str
    commit: str | None
    cve: str | None
    release: str
    package: str
    changed: tuple[str, ...]  # functions that the diff changes
    targets: tuple[Target, ...]
    symbols: tuple[str, ...]
    copies: tuple[str, ...]
    decide: tuple[str, ...]
    lines: tuple[Line, ...]
    mismatches: tuple[str, ...]  # differences between the sources and the kernel
    expected: frozenset[str]  # predicted symbols, if none was known to be missing
    unfinished: bool  # True: the author must add code before it builds
    manifest: Mapping[str, Any]
    sources: tuple[tuple[str, bytes], ...]
    change: bytes  # the unified diff that the patch follows
    written: tuple[tuple[str, str, str], ...]  # (file of the patch, path, object)

    @property
    def files(self) -> tuple[tuple[str, bytes], ...]:
        return (
            (MANIFEST, manifest_text(self.manifest).encode()),
            *self.sources,
            *(((CHANGE, self.change),) if not self.is_copy else ()),
            (README, render("draft/README.md.j2", draft=self).encode()),
        )

    @property
    def is_copy(self) -> bool:
        """Return True if the functions are unchanged copies of the kernel's."""
        return not self.change

    @property
    def left_out(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.is_left_out)

    @property
    def no_effect(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.fate is Fate.NO_EFFECT)

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the objects in which the patch replaces functions."""
        return tuple(dict.fromkeys(target.object for target in self.targets))


def draft(
    edit: Edit,
    comparison: Comparison,
    prover: Prover,
    facts: Facts,
    config: KernelConfig,
    read: Read,
    *,
    package: str,
    name: str,
    folder: str | None,
    wanted: CarryRequest = NOTHING,
) -> Draft:
    """Return the patch folder for ``edit``.

    Raise AnswerIsNo, with every reason and a hint, if no part of it can be a live patch of this
    kernel.
    """
    files = files_of(edit, read, config)
    found = assess(edit, comparison, prover, facts, files)
    found = _without(found, wanted)
    advice, targets, first = found.advice, found.targets, found.first
    if refused(advice) or not (targets or advice.data):
        raise _no(edit, found.cannot, found.lines)
    likely = expected(comparison.units, targets, found.places) if wanted.expect else frozenset()
    wanted = replace(wanted, symbols=wanted.symbols | likely)
    carried = carry(
        edit,
        files,
        targets,
        found.places,
        facts,
        _fresh(edit, comparison, files),
        comparison,
        wanted,
    )
    decide = [*words(advice), *found.notes]
    decide += [f"{i.name} is that of {path} of the later version" for path, i in edit.borrowed]
    sources: list[tuple[str, bytes]] = []
    symbols: dict[str, dict[str, Mapping[str, Any]]] = {}
    left = list(stubs(advice))
    for one in carried or (_empty(edit, files, first),):
        what = f", with: {edit.subject}" if edit.text else ", as it is there"
        words_ = f"From {one.path} of {package}{what}. Made by lppack draft."
        text = c_text(
            one.extract,
            comment(words_),
            one.private,
            one.wired,
            defines=makefile_defines(one.path, read, config),
            built_as=built_as(_flags(comparison, one)),
            undefined=undefined(edit.changes),
            stubs=left,
            built_in=one.places.object == "vmlinux",
        )
        text = text.replace(MARK, "")
        left = []  # reported once
        sources.append((_file_name(one.path, sources), text.encode(BYTES)))
        for object_, found_symbols in one.symbols.items():
            symbols.setdefault(object_, {}).update(found_symbols)
        decide += one.extract.notes
    if not edit.text:
        decide.append("what is to be changed in it")
    decide.append("whether a thread on the old function may run beside one on the new: `needs`")
    decide.append("what shows that the defect is gone: `test`")
    doubled: list[str] = []
    for one in carried:
        whole = files(one.path)
        doubled += one.doubled(whole.before) if whole else ()
    touched = touched_by(edit)
    manifest = manifest_of(
        edit,
        facts.release,
        name,
        targets,
        symbols,
        advice,
        tuple(file for file, _ in sources),
        tuple(sorted({f for one in carried for f in one.private.folders})),
        fixed(targets, facts),
        first.object if first else "vmlinux",
    )
    return Draft(
        name=name,
        folder=folder or name,
        subject=edit.subject.rstrip("."),
        commit=edit.commit,
        cve=edit.cve,
        release=facts.release,
        package=package,
        changed=tuple(touched),
        targets=targets,
        symbols=tuple(sorted({name for one in carried for _, name, _ in one.listed})),
        copies=tuple(dict.fromkeys(c for one in carried for c in one.extract.copies)),
        decide=tuple(dict.fromkeys(decide)),
        lines=found.lines,
        mismatches=(*found.mismatches, *dict.fromkeys(doubled)),
        expected=likely,
        unfinished=bool(stubs(advice)),
        manifest=manifest,
        sources=tuple(sources),
        change=edit.text,
        written=tuple(
            (file, one.path, one.places.object)
            for (file, _), one in zip(sources, carried, strict=False)
        ),
    )


def _flags(comparison: Comparison, one: Carried) -> tuple[str, ...]:
    """Return the flags with which this kernel's build compiles a file for an object."""
    units = (unit.unit for unit in comparison.units if unit.unit.path == one.path)
    return next((unit.flags for unit in units if one.places.object in unit.objects), ())


def fixed(targets: Sequence[Target], facts: Facts) -> tuple[str, ...]:
    """Return the names of functions that are replaced everywhere.

    Inlined copies that remain have the same code as before: the proof shows this, no rule can.
    """
    names = {target.name for target in targets if target.object == "vmlinux"}

    def is_whole(target: Target) -> bool:
        if target.object != "vmlinux" or facts.inlining is None:
            return True
        there = facts.inlining.holders(target.name, target.path)
        return all(holder.name in names for holder in there)

    return tuple(dict.fromkeys(target.name for target in targets if is_whole(target)))


def _without(found: Assessment, wanted: CarryRequest) -> Assessment:
    """Return the assessment without functions of files that could not be written."""
    whys = {(path, object_): why for path, object_, why in wanted.given_up}
    gone = [target for target in found.targets if (target.path, target.object) in whys]
    lines = tuple(
        Line(
            path=target.path,
            line=0,
            what=f"{target.name} of {target.object}",
            fate=Fate.LEFT_OUT,
            why=f"its replacement does not build: {whys[target.path, target.object]}",
        )
        for target in gone
    )
    kept = tuple(target for target in found.targets if target not in gone)
    return replace(found, targets=kept, lines=(*found.lines, *lines))


def _fresh(edit: Edit, comparison: Comparison, files: Files) -> dict[str, Item]:
    """Return header items that the diff changes or adds, items that depend on them, and borrowed
    ones."""
    found = {
        name: item
        for changes in edit.changes
        if changes.before.path.endswith(".h")
        for item in altered(changes)
        for name in item.names
    }
    for path, name in comparison.affected.standing:
        changes = files(path)
        for item in changes.after.by_name.get(name, ()) if changes else ():
            # The kernel's headers would compile it with the old definitions.
            if name not in found and item.kind in (ItemKind.FUNCTION, ItemKind.MACRO):
                found[name] = changes.after.unguarded(item) if changes else item
    found |= {item.name: item for item in edit.inlined if item.name not in found}
    return found | {item.name: item for _, item in edit.borrowed}


def _empty(edit: Edit, files: Files, first: Places | None) -> Carried:
    """Return a file that contains only the parts that the author must write."""
    path = next((c.before.path for c in edit.changes if c.before.path.endswith(".c")), "")
    changes = files(path or edit.changes[0].before.path)
    assert changes is not None and first is not None
    return nothing(changes, first)


def _no(edit: Edit, cannot: Sequence[Cannot], lines: Sequence[Line]) -> AnswerIsNo:
    report: dict[str, Any] = {
        "complete": "incomplete",
        "objects": [],
        "left_out": lines_json(lines, Fate.LEFT_OUT),
        "no_effect": lines_json(lines, Fate.NO_EFFECT),
        "cannot": [{"what": c.what, "why": c.why, "way": c.way} for c in cannot],
    }
    if lines and all(line.fate is Fate.NO_EFFECT for line in lines):
        said = [f"  {line.path}:{line.line}: {line.what}: {line.why}" for line in lines]
        return AnswerIsNo(
            "there is nothing to patch: the change has no effect on this kernel's code\n"
            + "\n".join(said),
            hint="is it for this kernel, and for this configuration?",
            report=report,
        )
    said = [f"  {one.what}: {one.why}" for one in cannot]
    said += [
        f"  {line.path}:{line.line}: {line.what}: {line.why}"
        for line in lines
        if line.fate is Fate.LEFT_OUT and not any(line.why == one.why for one in cannot)
    ]
    ways = [one.way for one in cannot]
    if any(" does not compile: " in line.why for line in lines):
        ways.append("give a diff for this version: it may need another one before it")
    ways = ways or ["install the fixed kernel"]
    return AnswerIsNo(
        "this cannot be drafted\n" + "\n".join(said or [f"  {edit.subject}"]),
        hint="; ".join(dict.fromkeys(ways)),
        report=report,
    )


def lines_json(lines: Collection[Line], fate: Fate) -> list[dict[str, Any]]:
    return [
        {"path": line.path, "line": line.line, "what": line.what, "why": line.why}
        for line in lines
        if line.fate is fate
    ]


def _file_name(path: str, taken: Sequence[tuple[str, bytes]]) -> str:
    """Return a name for the C file; it must differ from the module's name."""
    name = path.rpartition("/")[2].removesuffix(".h").removesuffix(".c").replace("-", "_")
    name = name if not name.startswith(("lp_", "lppack")) else f"x_{name}"
    while f"{name}.c" in dict(taken):
        name += "_2"
    return f"{name}.c"
