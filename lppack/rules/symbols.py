# SPDX-License-Identifier: MIT
"""Rules of `symbols`: names that the author's code uses and the kernel does not export."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lppack.document import Document, Pointer
from lppack.rules.data import authors_functions
from lppack.rules.elsewhere import home_of_symbol
from lppack.rules.registry import FACTS, MANIFEST, rule
from lppack.rules.replaced import clones_of, copies_of
from lppack.rules.runner import Fault, safe
from lppack.rules.source import with_code

if TYPE_CHECKING:
    from lppack.kernel.facts import Facts


@dataclass(frozen=True, slots=True)
class Listed:
    """A well-formed entry of `symbols`."""

    pointer: Pointer
    object: str
    name: str
    c_name: str
    sympos: int | None
    module: str | None = None  # the module that has the symbol; None: the object has it

    @property
    def home(self) -> str:
        return self.module or self.object


def listed_symbols(document: Document) -> Iterator[Listed]:
    for pointer, entry in document.mappings("objects"):
        object_ = entry.get("name")
        if not isinstance(object_, str):
            continue
        for where, text in document.strings(*pointer, "symbols"):
            yield Listed(where, object_, text, text, None)
        for where, item in document.mappings(*pointer, "symbols"):
            name, sympos = item.get("name"), item.get("sympos")
            c_name = item.get("as", name)
            if isinstance(name, str) and isinstance(c_name, str):
                position = sympos if isinstance(sympos, int) else None
                other = item.get("module")
                module = other if isinstance(other, str) else None
                yield Listed(where, object_, name, c_name, position, module)


def called_names(document: Document) -> frozenset[str]:
    """Return the names that the author's files call, or declare as functions."""
    code = with_code(document)
    return frozenset(token.text for file in (*code.sources, *code.headers) for token in file.called)


@rule(needs=MANIFEST)
def symbol_has_a_name_of_its_own(document: Document) -> Iterator[Fault]:
    """In the sources each symbol has one C name, and that name has no other meaning.

    If a replacement or a hook has the same name, the name would be both defined and undefined. If
    two symbols have the same name, both would get one address. Names that begin with `lp_slot_` or
    `__lp_` are reserved for lppack.
    """
    taken = {name for _, name in authors_functions(document)}
    seen: set[str] = set()
    for listed in listed_symbols(document):
        shown = safe(listed.c_name)
        if listed.c_name in taken:
            yield Fault(
                listed.pointer,
                f'"{shown}" is also a function of the sources',
                "give the symbol another name with `as`",
            )
        elif listed.c_name in seen:
            yield Fault(
                listed.pointer, f'"{shown}" is listed twice', "give one another name with `as`"
            )
        elif listed.c_name.startswith(("lp_slot_", "__lp_")):
            yield Fault(
                listed.pointer,
                f'"{shown}" is reserved for generated code',
                "give it another name with `as`",
            )
        seen.add(listed.c_name)


@rule(needs=MANIFEST)
def symbol_can_be_written_in_c(document: Document) -> Iterator[Fault]:
    """A static variable of a function is "count.3" in the kernel: `as` gives its name in C."""
    for listed in listed_symbols(document):
        if not listed.c_name.isidentifier():
            yield Fault(
                listed.pointer,
                f'"{safe(listed.c_name)}" cannot be written in C',
                f"write {{name: {safe(listed.name)}, as: {safe(listed.name.partition('.')[0])}}}",
            )


@rule(needs=FACTS)
def symbol_exists(document: Document, facts: "Facts") -> Iterator[Fault]:
    """The symbol is in that object, at that position (klp_find_object_symbol,
    kernel/livepatch/core.c). Otherwise the patch or its module would not load."""
    for listed in listed_symbols(document):
        copies = copies_of(facts, listed.home, listed.name)
        if copies is None or (copies and (listed.sympos or 1) <= len(copies)):
            continue
        if copies:
            yield Fault(
                listed.pointer,
                f'{listed.home} has only {len(copies)} "{safe(listed.name)}", '
                "so there is no such position",
            )
            continue
        yield Fault(
            listed.pointer,
            f'"{safe(listed.name)}" is not in {listed.home} of {facts.release}',
            _instead(document, facts, listed),
        )


def _instead(document: Document, facts: "Facts", listed: Listed) -> str:
    """Return a hint for a symbol that its object does not have."""
    if clones := clones_of(facts, listed.home, listed.name):
        names = ", ".join(clones)
        return (
            f"there is only {names}, whose arguments the compiler changed: copy the "
            "function into the sources"
        )
    if elsewhere := home_of_symbol(facts, listed.object, listed.name, document):
        return elsewhere
    module = None if listed.home == "vmlinux" else listed.home
    if similar := facts.similar(listed.name, module=module, variables=True):
        return f'did you mean "{similar[0]}"?'
    return "if it is a function that is inlined everywhere, copy it into the sources"


@rule(needs=FACTS)
def symbol_is_one(document: Document, facts: "Facts") -> Iterator[Fault]:
    """If several symbols (functions or variables) have one name, `sympos` selects one."""
    for listed in listed_symbols(document):
        copies = copies_of(facts, listed.home, listed.name) or ()
        if not listed.sympos and len(copies) > 1:
            places = "; ".join(
                f"{copy.sympos} at {copy.address:#x} ({copy.type})" for copy in copies[:8]
            )
            yield Fault(
                listed.pointer,
                f'{listed.home} has {len(copies)} symbols "{safe(listed.name)}"',
                f'give "sympos": {places}',
            )


@rule(needs=FACTS)
def symbol_outlives_boot(document: Document, facts: "Facts") -> Iterator[Fault]:
    """A symbol is neither an __init function nor __initdata.

    Their memory is freed after boot, or after the module's init, and then reused.
    """
    for listed in listed_symbols(document):
        copies = copies_of(facts, listed.home, listed.name) or ()
        for copy in copies:
            if copy.init and copy.sympos == (listed.sympos or 1):
                yield Fault(
                    listed.pointer,
                    f'"{safe(listed.name)}" of {listed.home} is freed after init',
                    "do not use it",
                )


@rule(needs=FACTS)
def symbol_is_there_with_its_object(document: Document, facts: "Facts") -> Iterator[Fault]:
    """If a symbol is in another module, the object depends on that module.

    The kernel looks it up when the object is loaded (klp_resolve_symbols(),
    kernel/livepatch/core.c). Its module cannot be unloaded before the object (ref_module(),
    kernel/module/main.c).
    """
    for listed in listed_symbols(document):
        if listed.module is None:
            continue
        if listed.object == "vmlinux":
            yield Fault(
                listed.pointer,
                f'"{safe(listed.name)}" is in module {safe(listed.module)}, and vmlinux '
                "depends on no module",
                "list it under an object that depends on that module",
            )
        elif facts.has_module(listed.object) and listed.module not in facts.depends(listed.object):
            yield Fault(
                listed.pointer,
                f"{listed.object} does not depend on {safe(listed.module)}, which may not "
                f"be loaded when {listed.object} is",
                "omit `module`: the symbol is in the object itself"
                if listed.module == listed.object
                else "do without it",
            )
