# SPDX-License-Identifier: MIT
"""Rules that need the kernel: its symbols, traceable sites and modules, without running it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lppack import abi
from lppack.document import Document, Pointer
from lppack.errors import Problem
from lppack.kernel.facts import Facts, Symbol, Verdict, verdict
from lppack.rules.runner import Fault, problems

if TYPE_CHECKING:
    from collections.abc import Callable

    KernelRule = Callable[[Document, Facts], Iterator[Fault]]


def patched_functions(document: Document) -> Iterator[tuple[Pointer, str, str, int | None]]:
    """(pointer of ``old``, object, function, sympos) of every well-formed entry."""
    for pointer, entry in document.mappings("objects"):
        for where, item in document.mappings(*pointer, "functions"):
            name, old, sympos = entry.get("name"), item.get("old"), item.get("sympos")
            if isinstance(name, str) and isinstance(old, str):
                yield (*where, "old"), name, old, sympos if isinstance(sympos, int) else None


def copies_of(facts: Facts, name: str, function: str) -> tuple[Symbol, ...] | None:
    """The copies of ``function`` in object ``name``; None if the kernel has no such module."""
    if name == "vmlinux":
        return facts.copies(function)
    return facts.module_copies(name, function) if facts.has_module(name) else None


def clones_of(facts: Facts, name: str, function: str) -> tuple[str, ...]:
    """Names of the changed copies of ``function`` in object ``name``."""
    return facts.clones(function) if name == "vmlinux" else facts.module_clones(name, function)


def _judged(
    document: Document, facts: Facts, wanted: Verdict
) -> Iterator[tuple[Pointer, str, str, Sequence[Symbol]]]:
    for pointer, name, old, sympos in patched_functions(document):
        copies = copies_of(facts, name, old)
        if copies is None:
            continue
        if verdict(copies, clones_of(facts, name, old), sympos) is wanted:
            yield pointer, name, old, copies


def function_exists(document: Document, facts: Facts) -> Iterator[Fault]:
    """Rule 9: the function is in that object (klp_find_object_symbol, kernel/livepatch/core.c)."""
    for pointer, name, old, copies in _judged(document, facts, Verdict.MISSING):
        if copies:
            yield Fault(pointer, f'{name} has only {len(copies)} "{old}", and not that position')
            continue
        similar = facts.similar(old, module=None if name == "vmlinux" else name)
        yield Fault(
            pointer,
            f'"{old}" is not in {name} of {facts.release}',
            f'did you mean "{similar[0]}"?' if similar else "it may be inlined: patch its callers",
        )


def function_has_a_body_of_its_own(document: Document, facts: Facts) -> Iterator[Fault]:
    """Rule 12: only clones with another calling convention are left of the function."""
    for pointer, name, old, _ in _judged(document, facts, Verdict.CLONE_ONLY):
        yield Fault(
            pointer,
            f'"{old}" is in {name} only as {", ".join(clones_of(facts, name, old))}',
            "the compiler changed its arguments: patch its callers",
        )


def function_is_one(document: Document, facts: Facts) -> Iterator[Fault]:
    """Rules 6 and 9: of several functions of one name the manifest says which, by `sympos`."""
    for pointer, name, old, copies in _judged(document, facts, Verdict.AMBIGUOUS):
        places = "; ".join(
            f"{copy.sympos} at {copy.address:#x}{'' if copy.traceable else ' (not traceable)'}"
            for copy in copies[:8]
        )
        yield Fault(
            pointer, f'{name} has {len(copies)} functions "{old}"', f'give "sympos": {places}'
        )


def function_is_traceable(document: Document, facts: Facts) -> Iterator[Fault]:
    """Rule 10: livepatch redirects at the fentry call; notrace and noinstr code has none."""
    for pointer, name, old, _ in _judged(document, facts, Verdict.UNTRACEABLE):
        yield Fault(
            pointer,
            f'"{old}" in {name} has no fentry call: it is notrace, noinstr or built without -pg',
            "patch a function that calls it, or that it calls",
        )


def function_outlives_boot(document: Document, facts: Facts) -> Iterator[Fault]:
    """Rule 11: the memory of __init functions is given back after boot."""
    for pointer, name, old, _ in _judged(document, facts, Verdict.INIT):
        yield Fault(pointer, f'"{old}" in {name} is __init: it has run, and is gone')


RULES: "tuple[KernelRule, ...]" = (
    function_exists,
    function_has_a_body_of_its_own,
    function_is_one,
    function_is_traceable,
    function_outlives_boot,
)


def module_is_known(document: Document, facts: Facts) -> Iterator[Fault]:
    """Rule 20: the object is a module of this kernel, or one that the tests build from target/."""
    targets = {text for _, text in document.strings("test", "targets")}
    for pointer, entry in document.mappings("objects"):
        name = entry.get("name")
        if not isinstance(name, str) or name == "vmlinux" or name in targets:
            continue
        if not facts.has_module(name):
            yield Fault(
                (*pointer, "name"),
                f'{facts.release} has no module "{name}"',
                "is it built in? then the object is vmlinux",
            )


def kernel_problems(document: Document, facts: Facts) -> Iterator[Problem]:
    """What the kernel's facts say against the manifest."""
    for rule in (*RULES, module_is_known):
        yield from problems(document, rule(document, facts), rule)


def missing_config(config_is_on: "Callable[[str], bool]") -> tuple[str, ...]:
    """Rule 15: the options without which the kernel's livepatch engine does not exist."""
    return tuple(name for name in abi.LIVEPATCH_CONFIG if not config_is_on(name))
