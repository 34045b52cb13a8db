# SPDX-License-Identifier: MIT
"""The functions that a manifest replaces, looked up in the facts of a kernel."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lppack.document import Document, Pointer

if TYPE_CHECKING:
    from lppack.kernel.facts import Facts, Symbol


def patched_functions(document: Document) -> Iterator[tuple[Pointer, str, str, int | None]]:
    """Yield (pointer of ``old``, object, function, sympos) of every well-formed entry."""
    for pointer, entry in document.mappings("objects"):
        for where, item in document.mappings(*pointer, "functions"):
            name, old, sympos = entry.get("name"), item.get("old"), item.get("sympos")
            if isinstance(name, str) and isinstance(old, str):
                yield (*where, "old"), name, old, sympos if isinstance(sympos, int) else None


def copies_of(facts: "Facts", name: str, function: str) -> tuple["Symbol", ...] | None:
    """Return the copies of ``function`` in object ``name``; None if there is no such module."""
    if name == "vmlinux":
        return facts.copies(function)
    return facts.module_copies(name, function) if facts.has_module(name) else None


def clones_of(facts: "Facts", name: str, function: str) -> tuple[str, ...]:
    """Return the names of the compiler's clones of ``function`` in object ``name``."""
    return facts.clones(function) if name == "vmlinux" else facts.module_clones(name, function)
