# SPDX-License-Identifier: MIT
"""draft: a change of the kernel's sources becomes a patch folder for one exact kernel."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lppack.csource.changes import Changes
from lppack.csource.items import Item, Kind, Unit
from lppack.csource.makefile import defines
from lppack.drafting.advice import advise, refused, stubs, words
from lppack.drafting.edit import BYTES, Edit, Read, files_of
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.manifest import manifest_of, manifest_text, series_of
from lppack.drafting.places import Cannot, Places, Target, object_of, targets
from lppack.drafting.text import c_text
from lppack.drafting.wired import wired_of
from lppack.errors import AnswerIsNo
from lppack.kernel.config import KernelConfig
from lppack.kernel.facts import Facts
from lppack.resources import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A patch folder, and what has to be said of it."""

    name: str
    folder: str  # as the user calls it
    subject: str
    commit: str | None
    cve: str | None
    release: str
    package: str
    object: str
    changed: tuple[str, ...]  # functions that the diff changes
    targets: tuple[Target, ...]
    symbols: tuple[str, ...]
    copies: tuple[str, ...]
    decide: tuple[str, ...]
    cannot: tuple[Cannot, ...]
    unfinished: bool  # it does not build until a person has filled something in
    manifest: Mapping[str, Any]
    sources: tuple[tuple[str, bytes], ...]

    @property
    def files(self) -> tuple[tuple[str, bytes], ...]:
        return (
            ("manifest.yaml", manifest_text(self.manifest).encode()),
            *self.sources,
            ("README.md", render("draft/README.md.j2", draft=self).encode()),
        )

    def with_symbols(self, names: Sequence[str], facts: Facts) -> "Draft":
        """The same with more unexported symbols, which the compiler asked for."""
        places = Places(facts, self.object)
        manifest = {**self.manifest, "objects": [dict(o) for o in self.manifest["objects"]]}
        decide, cannot = list(self.decide), list(self.cannot)
        for name in names:
            home, others = places.home(name)
            if places.is_a_tag(name, home):
                cannot.append(_tag(name, home))
                continue
            object_ = home if home == "vmlinux" else self.object
            entry = next((o for o in manifest["objects"] if o["name"] == object_), None)
            if entry is None:
                entry = {"name": object_}
                manifest["objects"].append(entry)
            listed = name if home == object_ else {"name": name, "module": home}
            entry["symbols"] = [*entry.get("symbols", ()), listed]
            if others:
                decide.append(
                    f"{home} has several symbols {name}: give the sympos of the one meant"
                )
        return replace(
            self,
            manifest=manifest,
            symbols=tuple(sorted({*self.symbols, *names})),
            decide=tuple(decide),
            cannot=tuple(cannot),
        )


def _tag(name: str, home: str) -> Cannot:
    return Cannot(
        what=name,
        why=f"headers have a struct that is called like that variable of {home}, so that no macro "
        "can stand for the variable in them (lp_marks.h)",
        way=f"replace a caller that does without it, or take it from a function of {home}",
    )


def draft(
    edit: Edit,
    facts: Facts,
    config: KernelConfig,
    read: Read,
    *,
    package: str,
    name: str | None,
    folder: str | None,
) -> Draft:
    """The patch folder for that change. Raises AnswerIsNo: it is not a live patch of this kernel,
    or nothing of it can be placed; with every reason and a way out."""
    name = name or series_of(edit.subject)
    files = files_of(edit.changes, read, config)
    main = next((c for c in edit.changes if c.before.path.endswith(".c")), edit.changes[0])
    object_ = object_of(facts, main)
    if object_ is None:
        raise AnswerIsNo(
            f"{facts.release} has no code of {main.before.path}, in vmlinux or in any module",
            hint="its configuration leaves the file out: there is nothing to patch",
        )
    places = Places(facts, object_)
    advice = advise(edit.changes, places)
    changed = [(n, c.before.path) for c in edit.changes for n in c.functions()]
    found = targets(places, changed, files)
    cannot = [*found.cannot, *refused(advice), *_headers_cannot(edit.changes, places)]
    by_file: dict[str, list[str]] = {}
    for target in found.targets.values():
        by_file.setdefault(target.path, []).append(target.name)
    if refused(advice) or not (by_file or advice.data):
        raise _no(edit, cannot, changed)
    fresh = _of_headers(edit.changes) | {i.name: i for _, i in edit.borrowed}
    decide = [*words(advice), *found.notes]
    decide += [f"{i.name} is that of {path} of the later version" for path, i in edit.borrowed]
    sources: list[tuple[str, bytes]] = []
    symbols: dict[str, Mapping[str, Any]] = {}
    copies: list[str] = []
    headers: set[str] = set()
    left = list(stubs(advice))

    def header(path: str) -> Unit | None:
        found = files(path)
        return found.before if found else None

    for path in by_file or {main.before.path: []}:
        changes = files(path)
        assert changes is not None
        made = extract(changes, by_file.get(path, ()), places, fresh)
        own = stubs(advice) if left else ()
        left = []  # once is enough
        words_ = f"From {path} of {package}, with: {edit.subject}. Made by lppack draft."
        head = "\n".join(
            ["/*", *textwrap.wrap(words_, 90, initial_indent=" * ", subsequent_indent=" * "), " */"]
        )
        private, wired = Private(made, header), wired_of(made, places)
        text = c_text(made, head, private, wired, defines=_defines(path, read, config), stubs=own)
        sources.append((_file_name(path, sources), text.encode(BYTES)))
        symbols |= {name: {"sympos": at} if at else {} for name, at in made.symbols.items()}
        symbols |= wired.symbols
        copies += made.copies
        decide += made.notes
        headers |= set(private.folders)
    decide.append("whether a thread on the old function may run beside one on the new: `needs`")
    decide.append("what shows that the defect is gone: `test`")
    manifest = manifest_of(
        edit,
        facts.release,
        name,
        object_,
        found.targets.values(),
        symbols,
        advice,
        tuple(file for file, _ in sources),
        tuple(sorted(headers)),
        tuple(n for n, _ in changed),
    )
    return Draft(
        name=name,
        folder=folder or name,
        subject=edit.subject.rstrip("."),
        commit=edit.commit,
        cve=edit.cve,
        release=facts.release,
        package=package,
        object=object_,
        changed=tuple(n for n, _ in changed),
        targets=tuple(found.targets.values()),
        symbols=tuple(sorted(symbols)),
        copies=tuple(dict.fromkeys(copies)),
        decide=tuple(dict.fromkeys(decide)),
        cannot=tuple(cannot),
        unfinished=bool(stubs(advice)),
        manifest=manifest,
        sources=tuple(sources),
    )


def _defines(path: str, read: Read, config: KernelConfig) -> tuple[str, ...]:
    folder, _, name = path.rpartition("/")
    makefile = read(f"{folder}/Makefile")
    return defines(makefile.decode(BYTES), name.removesuffix(".c"), config) if makefile else ()


def _of_headers(every: Sequence[Changes]) -> dict[str, Item]:
    """What the diff changes or adds in headers, by name."""
    return {
        name: changes.after.unguarded(item)
        for changes in every
        if changes.before.path.endswith(".h")
        for item in (*changes.changed, *changes.added)
        for name in item.names
    }


def _headers_cannot(every: Sequence[Changes], places: Places) -> list[Cannot]:
    """Macros of headers that change: who uses them is not known."""
    return [
        Cannot(
            what=item.name,
            why=f"it is a macro in {changes.before.path}: which functions were compiled with it is "
            "not known",
            way="draft from the functions of .c files that use it",
        )
        for changes in every
        if changes.before.path.endswith(".h")
        for item in changes.changed
        if item.kind is Kind.MACRO
    ]


def _no(edit: Edit, cannot: Sequence[Cannot], changed: Sequence[tuple[str, str]]) -> AnswerIsNo:
    if not cannot:
        cannot = (
            Cannot(
                what=edit.subject,
                why="it changes no function that this kernel has"
                if not changed
                else "no function could be placed",
                way="is it for this kernel's configuration? lppack facts tells what the kernel has",
            ),
        )
    return AnswerIsNo(
        "this cannot be drafted\n" + "\n".join(f"  {c.what}: {c.why}" for c in cannot),
        hint="; ".join(dict.fromkeys(c.way for c in cannot)),
        report={"cannot": [{"what": c.what, "why": c.why, "way": c.way} for c in cannot]},
    )


def _file_name(path: str, taken: Sequence[tuple[str, bytes]]) -> str:
    """A name for the C file; what becomes part of the module must not be called like it."""
    name = path.rpartition("/")[2].removesuffix(".h").removesuffix(".c").replace("-", "_")
    name = name if not name.startswith(("lp_", "lppack")) else f"x_{name}"
    while f"{name}.c" in dict(taken):
        name += "_2"
    return f"{name}.c"
