# SPDX-License-Identifier: MIT
"""draft: a change of the kernel's sources becomes a patch folder for one exact kernel."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from lppack.csource.changes import Changes, compare, only, patched, path_of, read_diff
from lppack.csource.parse import Item, Kind, Unit, parse
from lppack.drafting.advice import Advice, advise, refused, stubs, words
from lppack.drafting.extract import extract
from lppack.drafting.places import Cannot, Files, Places, Target, object_of, targets
from lppack.drafting.text import c_text, private_folders
from lppack.errors import AnswerIsNo
from lppack.kernel.config import KernelConfig
from lppack.kernel.facts import Facts
from lppack.resources import render

#: One file of the kernel's tree; None: there is none of that path.
Read = Callable[[str], bytes | None]

_HASH = re.compile(
    r"^\s*(?:\[ *Upstream commit |commit |\(cherry picked from commit |From )([0-9a-f]{12,40})\b",
    re.MULTILINE | re.IGNORECASE,
)
_SUBJECT = re.compile(r"^Subject: (?:\[[^\]]*\] *)?(.+(?:\n[ \t].+)*)", re.MULTILINE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b")
# The kernel's files are in no one encoding: this one keeps each byte.
_BYTES = "latin-1"
_TO_FILL_IN = "struct to_fill_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change: its files before and after, and what is said of it."""

    changes: tuple[Changes, ...]
    subject: str
    commit: str | None = None  # None: it names none
    cve: str | None = None


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
            ("manifest.yaml", _manifest_text(self.manifest).encode()),
            *self.sources,
            ("README.md", render("draft/README.md.j2", draft=self).encode()),
        )

    def with_symbols(self, names: Sequence[str], facts: Facts) -> "Draft":
        """The same with more unexported symbols, which the compiler asked for."""
        places = Places(facts, self.object)
        manifest = {**self.manifest, "objects": [dict(o) for o in self.manifest["objects"]]}
        decide = list(self.decide)
        for name in names:
            home, others = places.home(name)
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
        )


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
        old = before.decode(_BYTES)
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
    changes = _compared(path, before.decode(_BYTES), after.decode(_BYTES), config)
    if functions:
        changes = only(changes, functions)
    names = ", ".join(functions) or "change"
    return Edit(changes=(changes,), subject=f"{path}: {names} as in a later version")


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
    name = name or _slug(edit.subject)
    files = _files(edit.changes, read, config)
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
    fresh = _of_headers(edit.changes)
    decide = [*words(advice), *found.notes]
    sources: list[tuple[str, bytes]] = []
    symbols: dict[str, int | None] = {}
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
        text = c_text(made, head, header, own)
        sources.append((_file_name(path, sources), text.encode(_BYTES)))
        symbols |= made.symbols
        copies += made.copies
        decide += made.notes
        headers |= set(private_folders(made, header))
    decide.append("whether a thread on the old function may run beside one on the new: `needs`")
    decide.append("what shows that the defect is gone: `test`")
    manifest = _manifest(
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


def _compared(path: str, old: str, new: str, config: KernelConfig) -> Changes:
    def known(name: str) -> bool | None:
        if not name.startswith("CONFIG_"):
            return None
        if name.endswith("_MODULE") and name not in config:
            return config.get(name.removesuffix("_MODULE")) == "m"
        return config.get(name, "n") not in ("n", "m")

    return compare(parse(path, old, known), parse(path, new, known))


def _files(every: Sequence[Changes], read: Read, config: KernelConfig) -> Files:
    known: dict[str, Changes | None] = {changes.before.path: changes for changes in every}

    def file(path: str) -> Changes | None:
        if path not in known:
            text = read(path) if path.endswith((".c", ".h")) else None
            same = text.decode(_BYTES) if text is not None else None
            known[path] = _compared(path, same, same, config) if same is not None else None
        return known[path]

    return file


def _of_headers(every: Sequence[Changes]) -> dict[str, Item]:
    """What the diff changes or adds in headers, by name."""
    return {
        name: item
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


def _manifest(
    edit: Edit,
    release: str,
    name: str,
    object_: str,
    found: "Any",
    symbols: Mapping[str, int | None],
    advice: Advice,
    sources: Sequence[str],
    headers: Sequence[str],
    changed: Sequence[str],
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": object_}
    functions = []
    for target in found:
        one: dict[str, Any] = {"old": target.name, "new": f"lp_{target.name}"}
        if target.sympos:
            one["sympos"] = target.sympos
        functions.append(one)
    if functions:
        entry["functions"] = functions
    if symbols:
        entry["symbols"] = [
            {"name": n, "sympos": at} if at else n for n, at in sorted(symbols.items())
        ]
    if advice.data or advice.counters:
        entry["hooks"] = {"pre_patch": "lp_pre_patch", "post_unpatch": "lp_post_unpatch"}
    fix: dict[str, Any] = {}
    if edit.cve:
        fix["cve"] = edit.cve
    if edit.commit:
        fix["commit"] = edit.commit
    fix["functions"] = list(changed)
    needs = ["LEAVE_PATCHED_SET", "SWITCH_THREAD"]
    made: dict[str, Any] = {
        "lppack": 1,
        "name": name,
        "version": 1,
        "description": edit.subject.rstrip(".")[:200],
        "license": "GPL-2.0-only",
        "author": "The author of this patch",
        "fixes": [fix],
        "kernels": [release],
        "needs": [*needs, "TRANSFORM_ON_ACCESS"] if advice.layouts else needs,
        "sources": list(sources),
    }
    if headers:
        made["kernel_headers"] = list(headers)
    made["objects"] = [entry]
    if advice.layouts:
        # What is new is attached to a type that only a person can name.
        made["transforms"] = [
            _transform(x.name, x.type if x.size is not None else _TO_FILL_IN, object_)
            for x in advice.layouts
        ]
        made["shadow_variables"] = [
            {
                "name": f"{x.name}_ext" if x.size is not None else x.name,
                "version": 1,
                "type": f"struct {x.name}_ext" if x.size is not None else x.type,
                "attached_to": x.type if x.size is not None else _TO_FILL_IN,
                "transform": x.name,
            }
            for x in advice.layouts
        ]
    return made


def _transform(name: str, type_: str, object_: str) -> dict[str, Any]:
    return {
        "name": name,
        "object": object_,
        "type": type_,
        "marker": f"lp_{name}_is_new",
        "lock": {"take": f"lp_{name}_lock", "release": f"lp_{name}_unlock"},
        "context": "process",
        "forward": f"lp_{name}_forward",
        "reverse": f"lp_{name}_reverse",
    }


def _manifest_text(manifest: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(
        dict(manifest), sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
    )
    return (
        f"# SPDX-License-Identifier: MIT\n{text}"
        "# To fill in: what shows the defect, and that it is gone.\n"
        "# test:\n#   programs: [load/shows.c]\n#   checks:\n#     - run: /test/shows\n"
        "#       expect: {before: bad, patched: good, reverted: bad, unloaded: bad}\n"
    )


def _file_name(path: str, taken: Sequence[tuple[str, bytes]]) -> str:
    """A name for the C file; what becomes part of the module must not be called like it."""
    name = path.rpartition("/")[2].removesuffix(".h").removesuffix(".c").replace("-", "_")
    name = name if not name.startswith(("lp_", "lppack")) else f"x_{name}"
    while f"{name}.c" in dict(taken):
        name += "_2"
    return f"{name}.c"


def _slug(subject: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
    text = text if text[:1].isalpha() else f"fix-{text}"
    return text[:40].rpartition("-")[0] if len(text) > 40 else text
