# SPDX-License-Identifier: MIT
"""Run a rule, which is a generator of faults; its name is its id, its docstring is its page."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lppack.document import Document, Place, Pointer
from lppack.errors import Level, Problem

Rule = Callable[[Document], Iterator["Fault"]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem that a rule found: where, what, and a hint."""

    pointer: Pointer
    message: str
    hint: str | None = None  # None: the message alone says what to do
    spot: tuple[str, Place] | None = None  # file and place; None: at the pointer, in the manifest


def rule_id(rule: Callable[..., object]) -> str:
    """Return the id of a rule, as users see it: ``no-function-twice`` for ``no_function_twice``."""
    return rule.__name__.replace("_", "-")


def problems(
    document: Document,
    faults: Iterable[Fault],
    rule: Callable[..., object],
    *,
    level: Level = Level.ERROR,
) -> Iterator[Problem]:
    """Yield the faults of one rule, at their places."""
    for fault in faults:
        file, place = fault.spot or (document.shown, document.place(fault.pointer))
        yield Problem(
            file=file,
            line=place[0],
            column=place[1],
            level=level,
            rule=rule_id(rule),
            message=fault.message,
            hint=fault.hint,
        )


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the word of ``known`` that is most similar to ``word``; None if no one is similar."""
    import difflib  # imported late: most manifests need no guess

    return next(iter(difflib.get_close_matches(word, sorted(known), n=1, cutoff=cutoff)), None)


def safe(text: str) -> str:
    """Return ``text`` without terminal control sequences."""
    return ascii(text)[1:-1]


def clip(text: str) -> str:
    """Return ``safe(text)``, shortened for a message."""
    return safe(text) if len(text) <= 60 else f"{safe(text[:57])}..."
