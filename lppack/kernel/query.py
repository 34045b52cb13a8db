# SPDX-License-Identifier: MIT
"""What the kernel knows of functions, and whether a livepatch can replace them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lppack.kernel.facts import Facts, Symbol, SymbolVerdict, verdict
from lppack.kernel.inlining import Holder
from lppack.model import InliningCheck

_MOST = 8  # the maximum number of copies that a hint lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of one function in one object."""

    name: str
    object: str  # "vmlinux", or a module
    verdict: SymbolVerdict
    copies: tuple[Symbol, ...]
    prototype: str | None  # None: not known, or copies differ (then the hint has them all)
    inlining: InliningCheck  # was the debug package searched for inlined copies?
    files: tuple[str | None, ...]  # the source file of each copy; None: not known
    inlined_into: tuple[Holder, ...]  # functions that it was inlined into; () if unchecked
    hint: str | None  # None: there is nothing more to say


def query(facts: Facts, functions: Iterable[str], object_: str = "vmlinux") -> tuple[Answer, ...]:
    """Return an answer for each function; ``object_`` is "vmlinux", a module, or the path of a
    .ko."""
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
    deep = facts.inlining if module is None else None
    holders = deep.holders(name) if deep else ()
    if found is SymbolVerdict.MISSING and holders:
        found = SymbolVerdict.INLINED
    hints: Iterator[str]
    match found:
        case SymbolVerdict.PATCHABLE:
            hints = chain(_to_know(facts, copies[0], clones, module), _also(holders))
        case SymbolVerdict.AMBIGUOUS:
            hints = chain(_which(facts, copies, prototypes, module), _also(holders))
        case SymbolVerdict.MISSING:
            hints = _elsewhere(facts, name, object_, module)
        case SymbolVerdict.INLINED:
            hints = iter((f"it is inlined into {listed(holders)}: patch those instead",))
        case SymbolVerdict.CLONE_ONLY:
            hints = chain(
                (
                    f"only {', '.join(clones)} is left of it, which the compiler has changed: "
                    "patch its callers",
                ),
                _also(holders),
            )
        case SymbolVerdict.UNTRACEABLE if not any(copy.type in "tTwW" for copy in copies):
            hints = iter(("it is a variable: list it under `symbols` of the object",))
        case SymbolVerdict.UNTRACEABLE:
            hints = iter(
                (
                    "it has no fentry call: it is notrace, noinstr or built without -pg; patch a "
                    "function that calls it, or that it calls",
                )
            )
        case SymbolVerdict.INIT:
            hints = iter(("it is __init: it has run, and its memory is given back",))
    return Answer(
        name=name,
        object=object_,
        verdict=found,
        copies=copies,
        prototype=prototypes[0] if len(prototypes) == 1 else None,
        inlining=InliningCheck.CHECKED if deep else InliningCheck.UNCHECKED,
        files=tuple(deep.file_of(copy) if deep else None for copy in copies),
        inlined_into=holders,
        hint="; ".join(hints) or None,
    )


def listed(holders: Sequence[Holder]) -> str:
    """Return the holders' names for a message, with sympos if it is not 1, and other remarks."""
    names = list(dict.fromkeys(_name(holder) for holder in holders))
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _name(holder: Holder) -> str:
    words = [f"sympos {holder.sympos}"] if holder.sympos > 1 else []
    words += ["the compiler's own copy"] if "." in holder.name else []
    words += [] if holder.traceable else ["not traceable"]
    return f"{holder.name} ({', '.join(words)})" if words else holder.name


def _also(holders: Sequence[Holder]) -> Iterator[str]:
    if holders:
        yield f"it is also inlined into {listed(holders)}: patch those too"


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
        no = " (init)" if copy.init else "" if copy.traceable else " (not traceable)"
        file = facts.inlining.file_of(copy) if facts.inlining and module is None else None
        if file:
            yield f"sympos {copy.sympos} is of {file}{no}"
            continue
        before, after = facts.neighbours(copy, module=module)
        where = " and ".join(name for name in (before, after) if name)
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
        yield f"it is in module {', '.join(modules[:_MOST])}: name the module with --object"
        return
    if variable := facts.modules_with_variable(name):
        yield f"it is a variable of module {', '.join(variable[:_MOST])}: list it under `symbols`"
        return
    similar = facts.similar(name, module=module)
    if similar:
        yield f"did you mean {' or '.join(similar)}?"
    if module is not None or facts.inlining is None:
        yield f"if {object_} has such a function, it is inlined everywhere: patch its callers"
    elif facts.inlining.knows(name):
        yield "it is only part of code that is freed once the kernel has started"
    else:
        yield "nothing of that name is in the code of vmlinux, not even inlined"
