# SPDX-License-Identifier: MIT
"""What the language has, and this version of lppack does not carry out."""

from collections.abc import Iterator

from lppack.document import Document, Pointer
from lppack.rules.runner import Fault, Rule

_TRANSFORM = {"irreversible": "transforms without a way back"}


def not_yet_supported(document: Document) -> Iterator[Fault]:
    """A key that this version of lppack knows and does not carry out is refused, not passed over.

    A patch that loads without its hooks, or without the states that its author declared, is
    another patch than the one that was written.
    """
    for pointer, what in _asked(document):
        yield Fault(pointer, f"this version of lppack does not do {what} yet", "leave it out")


def _asked(document: Document) -> Iterator[tuple[Pointer, str]]:
    for pointer, entry in document.mappings("transforms"):
        yield from (((*pointer, key), what) for key, what in _TRANSFORM.items() if key in entry)


RULES: tuple[Rule, ...] = (not_yet_supported,)

#: Paths of all such keys, as docs/manifest.md writes them.
KEYS = frozenset(f"transforms[].{key}" for key in _TRANSFORM)
