# SPDX-License-Identifier: MIT
"""Rules of functions that the compiler inlined into their callers: the copies keep the old code."""

from collections.abc import Iterator

from lppack.document import Document, Pointer
from lppack.errors import Level
from lppack.kernel.facts import Facts
from lppack.kernel.inlining import Holder
from lppack.kernel.query import listed
from lppack.rules.registry import FACTS, rule
from lppack.rules.replaced import copies_of, patched_functions
from lppack.rules.runner import Fault, safe


def holders(facts: Facts, function: str, file: str | None = None) -> tuple[Holder, ...]:
    """Return the functions of vmlinux into which ``function`` is inlined; () if that is not
    known."""
    return facts.inlining.holders(function, file) if facts.inlining else ()


def _replaced(document: Document, facts: Facts) -> dict[int, str]:
    """Return every function of vmlinux that the patch replaces: its name by its address."""
    return {
        copy.address: old
        for _, name, old, sympos in patched_functions(document)
        if name == "vmlinux"
        for copy in facts.copies(old)
        if copy.sympos == (sympos or 1)
    }


def _left(document: Document, facts: Facts, function: str) -> tuple[Holder, ...]:
    """Return the functions that contain inlined copies of ``function`` and are not replaced."""
    replaced = _replaced(document, facts)
    own = [copy for copy in facts.copies(function) if copy.address in replaced]
    files = {facts.inlining.file_of(copy) for copy in own} if facts.inlining else set()
    return tuple(
        holder
        for file in (files or {None})
        for holder in holders(facts, function, file)
        if holder.address not in replaced
    )


def copies_left(document: Document, facts: Facts) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each replaced function with the functions and clones that keep its old code."""
    for old in dict.fromkeys(_replaced(document, facts).values()):
        names = [holder.name for holder in _left(document, facts, old)]
        if left := dict.fromkeys((*names, *_clones(document, facts, old))):
            yield old, tuple(left)


def _clones(document: Document, facts: Facts, function: str) -> tuple[str, ...]:
    """Return the function's clones in vmlinux that are not replaced, without cold parts."""
    replaced = _replaced(document, facts).values()
    return tuple(c for c in facts.clones(function) if ".cold" not in c and c not in replaced)


def _fixed(document: Document, facts: Facts) -> Iterator[tuple[Pointer, str]]:
    """Yield the functions of vmlinux that `fixes` names and the debug package contains."""
    names = {name for _, name, _, _ in patched_functions(document)}
    for pointer, _ in document.mappings("fixes"):
        for where, function in document.strings(*pointer, "functions"):
            of_module = any(copies_of(facts, name, function) for name in names - {"vmlinux"})
            known = facts.copies(function) or holders(facts, function)
            if facts.inlining and known and not of_module and "vmlinux" in names:
                yield where, function


@rule(needs=FACTS, sources=(13,))
def fix_reaches_every_copy(document: Document, facts: Facts) -> Iterator[Fault]:
    """Each function that `fixes` names is replaced, and also each function into which it was
    inlined.

    A function may have a symbol and also be inlined into some callers. A patch that replaces only
    the function leaves the defect in those callers. Checked if the debug package was read (--deep).
    """
    replaced = _replaced(document, facts)
    for where, function in _fixed(document, facts):
        copies = [copy for copy in facts.copies(function) if not copy.init]
        if copies and not any(copy.address in replaced for copy in copies):
            yield Fault(where, f'"{function}" is in vmlinux, and is not replaced')
        if left := _left(document, facts, function):
            yield Fault(
                where,
                f'"{function}" is also inlined into {listed(left)}, '
                "which the patch does not replace",
                "replace every function into which it is inlined",
            )


@rule(needs=FACTS, level=Level.WARNING, sources=(13,))
def replaced_function_has_no_copy(document: Document, facts: Facts) -> Iterator[Fault]:
    """Each function into which a replaced function was inlined is replaced, too.

    For functions that `fixes` names, another rule reports this as an error.
    """
    fixed = {function for _, function in _fixed(document, facts)}
    for pointer, name, old, _ in patched_functions(document):
        left = _left(document, facts, old) if name == "vmlinux" and old not in fixed else ()
        if left:
            yield Fault(
                pointer,
                f'"{old}" is also inlined into {listed(left)}, which the patch does not replace',
                "replace these functions, too",
            )


@rule(needs=FACTS, level=Level.WARNING, sources=(13,))
def fixed_function_is_replaced(document: Document, facts: Facts) -> Iterator[Fault]:
    """Each function that `fixes` names is replaced, or is inlined into a replaced function.

    A function that is not in the symbol table was inlined into its callers, and each of them has
    the defect. The symbols do not show which callers these are; validate with --deep finds them. It
    does not find the callers of a clone (NAME.isra.0, NAME.constprop.0).
    """
    known = {where for where, _ in _fixed(document, facts)}
    replaced = {old for _, _, old, _ in patched_functions(document)}
    names = {name for _, name, _, _ in patched_functions(document)}
    for pointer, _ in document.mappings("fixes"):
        for where, function in document.strings(*pointer, "functions"):
            clones = [c for c in _clones(document, facts, function) if ".part" not in c]
            if where in known and clones and function not in replaced:
                yield Fault(
                    where,
                    f'"{function}" is also in vmlinux as {", ".join(clones)}',
                    "replace every function that calls it",
                )
            if function in replaced or where in known:
                continue
            holder = next((n for n in sorted(names) if copies_of(facts, n, function)), None)
            if holder:
                yield Fault(where, f'"{safe(function)}" is in {holder}, and is not replaced')
            else:
                yield Fault(
                    where,
                    f'"{safe(function)}" is not in the objects of this patch',
                    "if it was inlined, replace every function into which it was inlined"
                    f"{'' if facts.inlining else ': --deep finds them'}",
                )
