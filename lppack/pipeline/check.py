# SPDX-License-Identifier: MIT
"""Check a patch before anything is built."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack.document import Document
from lppack.errors import ManifestError, Problem

if TYPE_CHECKING:
    from lppack.ids import Ids
    from lppack.kernel.query import Answer
    from lppack.model import Kernel, Plan
    from lppack.pipeline.prove import Proof
    from lppack.proc import Say
    from lppack.stages.assumptions import Tried
    from lppack.stages.inspect import Inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCheck:
    """The problems that the rules find in one patch."""

    problems: tuple[Problem, ...]
    kernels: tuple[str, ...]  # checked releases
    inlining_unchecked: tuple[str, ...] = ()  # releases whose debug package was not read


def check_patch(
    path: Path, kernels: Sequence[str], *, old: Path | None = None, deep: "Say | None" = None
) -> PatchCheck:
    """Load and validate a patch, and check it for each of ``kernels`` and against its older version
    ``old``.

    Return all problems, not only the first one. A problem on only some of the kernels names these.
    ``deep``: also read the debug packages; it is called with lines of progress.
    """
    from lppack.rules.folder import problems_of
    from lppack.stages.load import load

    try:
        document = load(path)
        found = list(problems_of(document))
        if old is not None:
            from lppack.rules.history import history_problems

            with _older(old) as before:
                handed_over = _handed_over(document, before)
                found += history_problems(document, before, handed_over=handed_over)
    except ManifestError as error:
        return PatchCheck(problems=error.problems, kernels=())
    asked: list[str] = []
    unchecked: list[str] = []
    said: dict[Problem, list[str]] = {}
    for kernel in kernels:
        release, problems, checked = _of_kernel(document, kernel, deep)
        asked.append(release)
        unchecked += [] if checked else [release]
        for problem in problems:
            said.setdefault(problem, []).append(release)
    for problem, by in said.items():
        only = "" if len(by) == len(asked) else f" (on {', '.join(by)})"
        found.append(replace(problem, message=f"{problem.message}{only}"))
    return PatchCheck(
        problems=tuple(sorted(found, key=lambda problem: problem.sort_key)),
        kernels=tuple(asked),
        inlining_unchecked=tuple(unchecked),
    )


@contextlib.contextmanager
def _older(old: Path) -> Iterator[Document]:
    """Yield the manifest of a folder or of a bundle, with its sources."""
    from lppack.names import MANIFEST
    from lppack.stages.bundle import SUFFIX, contents
    from lppack.stages.load import load

    if old.suffix != SUFFIX:
        yield load(old)
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
        for name, data in contents(old).items():
            if name == MANIFEST or name.startswith("sources/"):
                file = Path(folder) / name.removeprefix("sources/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
        yield load(Path(folder))


def patches_of(files: Iterable[Path]) -> tuple[Path, ...]:
    """Return the patch folders of ``files``; skip files outside of any patch."""
    from lppack.stages.load import is_patch

    found = (
        next((at for at in (file.absolute(), *file.absolute().parents) if is_patch(at)), None)
        for file in files
    )
    here = Path.cwd()
    return tuple(
        dict.fromkeys(
            folder.relative_to(here) if folder.is_relative_to(here) else folder
            for folder in found
            if folder is not None
        )
    )


def sarif_of(problems: Sequence[Problem], *, docs: str | None) -> dict[str, Any]:
    """Return problems for code-scanning services; ``docs``: URL of the documentation site."""
    from lppack.rules.sarif import sarif

    return sarif(problems, docs=docs)


def _of_kernel(
    document: Document, kernel: str, deep: "Say | None"
) -> tuple[str, set[Problem], bool]:
    """Return a kernel's release, its problems, and whether inlining was checked."""
    from lppack.distributions import open_distribution
    from lppack.kernel.config import read_config
    from lppack.kernel.facts import open_facts
    from lppack.rules.registry import CONFIG, ENVIRONMENT, FACTS, ask
    from lppack.rules.replaced import patched_functions

    chosen = open_distribution().kernels.resolve(
        kernel, [text for _, text in document.strings("kernels")]
    )
    config = read_config(chosen.config)
    aimed = (*ask(CONFIG, document, chosen, config), *ask(ENVIRONMENT, document, chosen, config))
    with open_facts(chosen, deep=deep) as facts:
        found = {*aimed, *ask(FACTS, document, facts)}
        of_modules = any(name != "vmlinux" for _, name, _, _ in patched_functions(document))
        return chosen.release, found, facts.inlining is not None and not of_modules


def _handed_over(document: Document, old: Document) -> bool:
    """Return True if the id file gives this patch the ids of the old one, which has another
    name."""
    from lppack.stages.ids import ids

    name, before = document.text("name"), old.text("name")
    if not name or not before:
        return False
    return ids(document.folder).series(name) == ids(old.folder).series(before)


def ids_of(path: Path) -> tuple["Ids", dict[str, int]]:
    """Return the reserved ids for a patch, and the ids of all its names."""
    from lppack.ids import names_of
    from lppack.rules.history import layouts_of
    from lppack.stages.ids import ids
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    document = load(path)
    known = ids(document.folder)
    return known, names_of(validate(document), layouts_of(document), known)


def reserve_id(name: str, folder: Path) -> tuple[int, Path]:
    """Add a name to the id file of a repository; return its id and the file."""
    from lppack.stages.ids import reserve

    return reserve(name, folder)


def make_plan(
    path: Path,
    *,
    kernel: str | None = None,
    engine: str = "auto",
    mode: str | None = None,
    test_points: bool = False,
    deep: "Say | None" = None,
    prove: "Say | None" = None,
    builder: str = "docker",
) -> "Plan":
    """Load and validate a patch, and plan it for a kernel.

    ``deep``: also read the kernel's debug package. ``prove``: compare the patch with the change
    that it follows. Both are functions that take a line of progress.
    """
    from lppack.distributions import open_distribution
    from lppack.kernel.config import read_config
    from lppack.kernel.facts import open_facts
    from lppack.model import Completeness
    from lppack.stages.ids import ids
    from lppack.stages.load import load
    from lppack.stages.plan import plan
    from lppack.stages.validate import validated

    document = load(path)
    manifest, warnings = validated(document)
    reserved = ids(document.folder)
    chosen = open_distribution().kernels.resolve(kernel, manifest.kernels)
    facts = open_facts(chosen, deep=deep)
    proof = None
    if prove is not None:
        from lppack.pipeline.prove import prove as compare

        proof = compare(manifest, chosen, facts, builder=builder, say=prove)
    return plan(
        document,
        manifest,
        chosen,
        facts,
        read_config(chosen.config),
        engine=engine,
        mode=mode,
        test_points=test_points,
        ids=reserved,
        complete=proof.complete if proof else Completeness.NOT_CHECKED,
        doubts=proof.reasons if proof else (),
        warnings=warnings,
    )


def prove_patch(path: Path, *, kernel: str, builder: str, say: "Say") -> "Proof":
    """Load and validate a patch, then compare it with the change that it follows."""
    from lppack.distributions import open_distribution
    from lppack.kernel.facts import open_facts
    from lppack.pipeline.prove import prove
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    manifest = validate(load(path))
    chosen = open_distribution().kernels.resolve(kernel, manifest.kernels)
    with open_facts(chosen) as facts:
        return prove(manifest, chosen, facts, builder=builder, say=say)


def check_release(
    plan: "Plan", *, unproved: bool, inlining_unchecked: bool, accepted: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Run the checks of a release."""
    from lppack.stages.release import release

    return release(
        plan, unproved=unproved, inlining_unchecked=inlining_unchecked, accepted=accepted
    )


def inspect_file(path: Path, kernel: str | None) -> "Inspection":
    """Inspect a file; with a kernel, also compare it with that kernel."""
    from lppack.distributions import open_distribution
    from lppack.stages.inspect import inspect

    return inspect(path, open_distribution().kernels.resolve(kernel, ()) if kernel else None)


def ask_kernel(
    kernel: str, functions: Sequence[str], object_: str, *, deep: "Say | None" = None
) -> tuple[str, tuple["Answer", ...]]:
    """Return the release of a kernel, and its facts about functions; ``deep``: as in
    make_plan()."""
    from lppack.distributions import open_distribution
    from lppack.kernel.facts import open_facts
    from lppack.kernel.query import query

    with open_facts(open_distribution().kernels.resolve(kernel, ()), deep=deep) as known:
        return known.release, query(known, functions, object_)


def try_kernel(kernel: str) -> tuple["Kernel", tuple["Tried", ...]]:
    """Return a kernel, and whether each assumption holds on the files of its package."""
    from lppack.distributions import open_distribution
    from lppack.stages.assumptions import try_all

    chosen = open_distribution().kernels.resolve(kernel, ())
    return chosen, tuple(try_all(chosen))
