# SPDX-License-Identifier: MIT
"""A rule is a generator of faults; its name is its id, its docstring its page."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lppack.document import Document, Pointer
from lppack.errors import Level, Problem


@dataclass(frozen=True, slots=True)
class Fault:
    """What a rule found: where, what, and a way out."""

    pointer: Pointer
    message: str
    hint: str | None = None  # None: the message alone says what to do


def rule_id(rule: Callable[..., object]) -> str:
    """``no_function_twice`` is ``no-function-twice`` to users."""
    return rule.__name__.replace("_", "-")


def problems(
    document: Document,
    faults: Iterable[Fault],
    rule: Callable[..., object],
    *,
    level: Level = Level.ERROR,
) -> Iterator[Problem]:
    for fault in faults:
        yield document.problem(
            fault.pointer, rule_id(rule), fault.message, hint=fault.hint, level=level
        )
