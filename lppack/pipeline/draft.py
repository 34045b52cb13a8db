# SPDX-License-Identifier: MIT
"""From a change of the kernel to the folder of a patch, and the proof that it is complete."""

import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack.errors import BuildFailed, EnvironmentMissing, ManifestError
from lppack.model import Completeness
from lppack.pipeline.build import make_bundle, open_builder
from lppack.pipeline.check import make_plan
from lppack.proc import Say
from lppack.written import Written

if TYPE_CHECKING:
    from lppack.drafting.draft import Draft
    from lppack.drafting.edit import Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    draft: "Draft"
    folder: Path
    built: bool
    why: str | None  # why it was not built; None: it was built

    @property
    def complete(self) -> Completeness:
        """The strongest claim that holds for the patch as written."""
        if self.draft.left_out or self.draft.unfinished or not self.built:
            return Completeness.INCOMPLETE
        proved = not self.draft.mismatches and not self.draft.is_copy
        return Completeness.PROVED if proved else Completeness.NOT_CHECKED

    @property
    def is_done(self) -> bool:
        """Return True if the draft lacks nothing that was requested."""
        copied = self.draft.is_copy and self.complete is not Completeness.INCOMPLETE
        return self.complete is Completeness.PROVED or (copied and not self.draft.mismatches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A request to copy functions of this kernel unchanged."""

    functions: tuple[str, ...]
    path: str | None  # the file that defines them; None: search it


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """A request to draft from two versions of the kernel's package."""

    old: str
    new: str
    path: str
    functions: tuple[str, ...]


def make_draft(
    change: Path | Between | Copy,
    *,
    kernel: str,
    folder: Path | None,
    force: bool = False,
    builder: str,
    say: Say,
    on_line: Say,
) -> Drafted:
    """Draft, compile to find missing symbols, and draft again until it builds.

    Raise EnvironmentMissing if the folder has something that lppack may not overwrite.
    """
    from lppack.distributions import open_distribution
    from lppack.drafting.carry import CarryRequest, own_data
    from lppack.drafting.copy import copy_of
    from lppack.drafting.draft import draft
    from lppack.drafting.edit import between, borrow, files_of, inline_users
    from lppack.drafting.from_diff import of_diff
    from lppack.drafting.manifest import ALWAYS, series_of
    from lppack.kernel.config import read_config
    from lppack.kernel.facts import open_facts
    from lppack.proof.prover import Prover

    distribution = open_distribution()
    sources, chosen = distribution.sources, distribution.kernels.resolve(kernel, ())
    package, config = sources.package_of(chosen), read_config(chosen.config)

    def reader(of: str) -> Callable[[str], bytes | None]:
        return functools.cache(partial(sources.source_file, of))

    read, later = reader(package), None
    if isinstance(change, Between):
        old, later = sources.package_at(change.old), sources.package_at(change.new)
        edit = between(change.path, change.functions, reader(old), reader(later), config, own=read)
    elif isinstance(change, Copy):
        search = partial(sources.files_with, package)

        def similar(name: str) -> tuple[str, ...]:
            with open_facts(chosen) as facts:
                return facts.similar(name)

        edit = copy_of(change.functions, change.path, read, search, config, similar)
    else:
        edit = of_diff(_text_of(change), read, config)
    name = _series(folder) if folder else series_of(edit.subject)
    place = folder or Path(name)
    out = Written(place, force=force, by="draft")
    out.check(ALWAYS)  # check before the work
    with open_facts(chosen) as facts:
        prover = Prover(chosen, facts, open_builder(builder, on_line), say)
        files = files_of(edit, read, config)
        comparison = prover.compare(edit.changes, edit.files, files)

        def drafted(edit: "Edit", wanted: CarryRequest) -> "Draft":
            return draft(
                edit,
                comparison,
                prover,
                facts,
                config,
                read,
                package=package,
                name=name,
                folder=str(folder) if folder else None,
                wanted=wanted,
            )

        here = partial(sources.headers_with, package)
        there = partial(sources.headers_with, later) if later is not None else None
        wanted, sought = CarryRequest(), set[str]()
        cannot, predicted = dict[str, str](), frozenset[str]()
        why: str | None
        while True:
            made = drafted(edit, wanted)
            out.put(dict(made.files))
            wanted = replace(wanted, expect=False, symbols=wanted.symbols | made.expected)
            predicted |= made.expected
            if made.unfinished:
                why = "it has lines that a person must fill in"
                break
            report, why = _missing(place, chosen.release, builder, on_line)
            if why is None and (unused := predicted - report["symbols"]):
                wanted = replace(wanted, symbols=wanted.symbols - unused)
                predicted = frozenset()
                continue
            asked = frozenset(report.get("undefined", ()))
            undefined = asked - wanted.symbols
            undeclared = set(report.get("undeclared", ())) - sought
            if undefined:
                say(f"looking for {', '.join(sorted(undefined))}")
                wanted = replace(wanted, symbols=wanted.symbols | undefined)
                continue
            if undeclared:
                say(f"looking for {', '.join(sorted(undeclared))}")
                texts = [files(path) for _, path, _ in made.written]
                pasted = {n for one in texts if one for n in undeclared & set(one.after.by_name)}
                if pasted - wanted.also:
                    wanted = replace(wanted, also=wanted.also | pasted)
                    continue
                sought |= undeclared
                more, no = borrow(edit, undeclared, here, there, config)
                cannot |= {one.what: one.why for one in no}
                if more != edit:
                    edit = more
                    continue
                if undeclared - wanted.invocations:
                    wanted = replace(wanted, invocations=wanted.invocations | undeclared)
                    continue
            if asked:  # the symbol is listed already: code of a header uses its old name
                folders = made.manifest.get("kernel_headers", ())
                headers = (
                    str(file.relative_to(prover.tree))
                    for folder in folders
                    for file in (prover.tree / folder).glob("*.h")
                )
                users = inline_users(asked, map(files, sorted(headers)))
                fresh = tuple(item for item in users if item not in edit.inlined)
                if fresh:
                    edit = replace(edit, inlined=(*edit.inlined, *fresh))
                    continue
            if why is not None and not wanted.every_header and report.get("compiler"):
                wanted = replace(wanted, every_header=True)
                continue
            culprit = _culprit(made, why, report.get("file"))
            if why is not None and culprit is not None and len(made.written) > 1:
                path, object_ = culprit
                say(f"left out: what {object_} has of {path}: {why.splitlines()[0]}")
                one = (path, object_, _plain(why, place))
                wanted = replace(wanted, given_up=(*wanted.given_up, one))
                continue
            if why is None:
                own = own_data(made.written, report["defined"], comparison, files)
                made = replace(made, mismatches=(*made.mismatches, *own))
                out.put(dict(made.files))
            break
    if why is not None and cannot:
        why = "; ".join([why, *(f"{name}: {text}" for name, text in cannot.items())])
    return Drafted(draft=made, folder=place, built=why is None, why=why)


def new_patch(folder: Path, *, force: bool = False) -> tuple[str, ...]:
    """Write a patch as a starting point; return the names of its files. Raise
    EnvironmentMissing."""
    from lppack.names import MANIFEST
    from lppack.resources import render

    name = _series(folder)
    stem = name.replace("-", "_")
    stem = stem if not stem.startswith(("lp_", "lppack")) else f"x_{stem}"
    files = {
        MANIFEST: render("new/manifest.yaml.j2", series=name, stem=stem, author=_user()),
        f"{stem}.c": render("new/patch.c.j2", series=name),
    }
    Written(folder, force=force, by="new").put(
        {path: text.encode() for path, text in files.items()}
    )
    return tuple(files)


def _user() -> str:
    """Return the user's name and mail address from git, as a YAML string."""
    import contextlib
    import json
    import os
    import re

    from lppack import proc

    name = ""
    with contextlib.suppress(EnvironmentMissing):  # git is not installed
        own = {key: text for key, text in os.environ.items() if key.startswith(("GIT_", "HOME"))}
        done = proc.run(["git", "var", "GIT_AUTHOR_IDENT"], limit=10, env=own)
        found = re.match(r"[^<>]+ <[^<>]+>", done.out if done.ok else "")
        name = found[0] if found and found[0].isprintable() else ""
    return json.dumps(name[:200] or "The author of this patch", ensure_ascii=False)


def _culprit(made: "Draft", why: str | None, file: str | None) -> tuple[str, str] | None:
    """Return the file and object whose code causes the error; None if unknown."""
    import re

    for name, path, object_ in made.written:
        if file is not None and Path(file).name == name:
            return path, object_
    named = set(re.findall(r"\b(lp_\w+)\(\)", why or ""))
    for target in made.targets:
        if target.replacement in named:
            return target.path, target.object
    return None


def _plain(why: str, folder: Path) -> str:
    """Return the first line of an error, without the name of the folder."""
    return why.splitlines()[0].replace(f"{folder}/", "")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="latin-1")
    except OSError as error:
        raise EnvironmentMissing(f"cannot read {path}: {error.strerror}") from error


def _series(folder: Path) -> str:
    import re

    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name if name[:1].isalpha() else f"fix-{name}"


def _missing(
    folder: Path, release: str, builder: str, on_line: Say
) -> tuple[Mapping[str, Any], str | None]:
    """Build the draft; return symbols, and why the build fails (None if it succeeds).

    The symbols are those that the compiler does not find. After a successful build, they are those
    for which the module has livepatch relocations.
    """
    from lppack.kernel.elf64 import STT_OBJECT, Elf
    from lppack.stages.bundle import contents

    try:
        plan = make_plan(folder, kernel=release)
        with tempfile.TemporaryDirectory(prefix="lppack-") as out:
            built = make_bundle(plan, Path(out), builder=builder, on_line=on_line)
            module = contents(built.path)[f"{built.bundle.module}.ko"]
            symbols = Elf(module, built.bundle.module).symbols()
            return {
                # .klp.sym.OBJECT.NAME,POSITION
                "symbols": {s.name.rpartition(",")[0].split(".", 4)[-1] for s in symbols},
                "defined": {s.name for s in symbols if s.kind == STT_OBJECT},
            }, None
    except (BuildFailed, EnvironmentMissing, ManifestError) as error:
        return {**(error.report or {}), "file": error.file}, error.message
