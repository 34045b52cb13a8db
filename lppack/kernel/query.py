# SPDX-License-Identifier: MIT
"""What the kernel knows of functions, and whether a livepatch can replace them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack.kernel.facts import Facts, Symbol, Verdict, verdict

_MOST = 8  # copies that a hint lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All of one function in one object."""

    name: str
    object: str  # "vmlinux", or a module
    verdict: Verdict
    copies: tuple[Symbol, ...]
    prototype: str | None  # None: not known, or copies differ (then the hint has them all)
    inlining: str  # "unchecked": also inlined into some callers? The debug package would tell
    hint: str | None  # None: there is nothing more to say


def query(facts: Facts, functions: Iterable[str], object_: str = "vmlinux") -> tuple[Answer, ...]:
    """An answer for each function; ``object_`` is "vmlinux", a module, or the path of a .ko."""
    module: str | Path | None = None
    if object_ != "vmlinux":
        module = Path(object_) if object_.endswith(".ko") else object_
    return tuple(_answer(facts, name, object_, module) for name in functions)


def _answer(facts: Facts, name: str, object_: str, module: str | Path | None) -> Answer:
    if module is None:
        copies, clones = facts.copies(name), facts.clones(name)
    else:
        copies, clones = facts.module_copies(module, name), facts.module_clones(module, name)
    prototypes = facts.prototypes(name, module=module)
    found = verdict(copies, clones, None)
    hints: Iterator[str]
    match found:
        case Verdict.PATCHABLE:
            hints = _to_know(facts, copies[0], clones, module)
        case Verdict.AMBIGUOUS:
            hints = _which(facts, copies, prototypes, module)
        case Verdict.MISSING:
            hints = _elsewhere(facts, name, object_, module)
        case Verdict.CLONE_ONLY:
            hints = iter(
                (
                    f"only {', '.join(clones)} is left of it, called in a way of the compiler's "
                    "own: patch its callers",
                )
            )
        case Verdict.UNTRACEABLE:
            hints = iter(
                (
                    "it has no fentry call: it is notrace, noinstr or built without -pg; patch a "
                    "function that calls it, or that it calls",
                )
            )
        case Verdict.INIT:
            hints = iter(("it is __init: it has run, and its memory is given back",))
    return Answer(
        name=name,
        object=object_,
        verdict=found,
        copies=copies,
        prototype=prototypes[0] if len(prototypes) == 1 else None,
        inlining="unchecked",
        hint="; ".join(hints) or None,
    )


def _to_know(
    facts: Facts, symbol: Symbol, clones: Sequence[str], module: str | Path | None
) -> Iterator[str]:
    # gcc moves cold blocks into NAME.cold; the function still begins where it did.
    others = [clone for clone in clones if not clone.endswith(".cold")]
    if others:
        yield f"some callers may call {', '.join(others)} instead, which a patch does not replace"
    aliases = facts.aliases(symbol, module=module)
    if aliases:
        yield f"the same code is also named {', '.join(aliases)}"


def _which(
    facts: Facts, copies: Sequence[Symbol], prototypes: Sequence[str], module: str | Path | None
) -> Iterator[str]:
    for copy in copies[:_MOST]:
        before, after = facts.neighbours(copy, module=module)
        where = " and ".join(name for name in (before, after) if name)
        no = " (init)" if copy.init else "" if copy.traceable else " (not traceable)"
        yield f"sympos {copy.sympos} stands between {where}{no}"
    if len(copies) > _MOST:
        yield f"and {len(copies) - _MOST} more"
    if len(prototypes) > 1:
        yield f"declared as {' or '.join(prototypes)}"


def _elsewhere(facts: Facts, name: str, object_: str, module: str | Path | None) -> Iterator[str]:
    if module is not None and facts.copies(name):
        yield "it is in vmlinux"
        return
    modules = facts.modules_with(name)
    if modules:
        yield f"it is in module {', '.join(modules[:_MOST])}: say so with --object"
        return
    similar = facts.similar(name, module=module)
    if similar:
        yield f"did you mean {' or '.join(similar)}?"
    yield f"if {object_} has such a function, it is inlined everywhere: patch its callers"
