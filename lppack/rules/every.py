# SPDX-License-Identifier: MIT
"""Every rule, by what it needs to be asked: the one list that the rest of lppack uses."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from lppack.errors import Level
from lppack.rules import (
    compiled,
    folder,
    history,
    host,
    inlining,
    kernel,
    module,
    needs,
    target,
)
from lppack.rules.runner import rule_id


class Asked(StrEnum):
    """When a rule is asked, as docs/rules.md says it."""

    ALWAYS = "always"
    FROM = "by validate, with --from OLD"
    KERNEL = "with a kernel: by validate with --kernel, and by plan"
    PLAN = "by plan"
    COMPILED = "of the compiled sources: by build"
    BUILT = "of the built module: by build and inspect"
    APPLY = "of the host: by apply, before it loads anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEntry:
    rule: Callable[..., object]
    level: Level
    asked: Asked

    @property
    def id(self) -> str:
        return rule_id(self.rule)

    @property
    def page(self) -> str:
        return inspect.getdoc(self.rule) or ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which of the 56 rules of docs/decisions.md it is; none: a rule that was missing there."""
        found = _NUMBERS.match(self.page)
        return tuple(int(number) for number in re.findall(r"\d+", found[0])) if found else ()


_NUMBERS = re.compile(r"Rules? (\d+)(, \d+)*( and \d+)?[ :]")


def every() -> tuple[RuleEntry, ...]:
    """All rules, in the order in which they are asked."""
    return tuple(_entries())


def _entries() -> Iterator[RuleEntry]:
    tables: tuple[tuple[Asked, Level, tuple[Callable[..., object], ...]], ...] = (
        (Asked.ALWAYS, Level.ERROR, folder.RULES),
        (Asked.ALWAYS, Level.WARNING, folder.WARNINGS),
        (Asked.FROM, Level.ERROR, history.RULES),
        (Asked.FROM, Level.WARNING, history.WARNINGS),
        (
            Asked.KERNEL,
            Level.ERROR,
            (*target.RULES, *target.ENVIRONMENT, *kernel.RULES, *inlining.RULES),
        ),
        (Asked.KERNEL, Level.WARNING, (*target.WARNINGS, *kernel.WARNINGS, *inlining.WARNINGS)),
        (Asked.PLAN, Level.ERROR, needs.PLAN_RULES),
        (Asked.COMPILED, Level.ERROR, compiled.RULES),
        (Asked.BUILT, Level.ERROR, module.RULES),
        (Asked.APPLY, Level.ERROR, host.RULES),
        (Asked.APPLY, Level.WARNING, host.WARNINGS),
    )
    for asked, level, rules in tables:
        for rule in rules:
            yield RuleEntry(rule=rule, level=level, asked=asked)


#: Of the 56, and not made: docs/decisions.md has the reasons.
DROPPED = (25, 34, 35, 42, 43)


def live() -> tuple[int, ...]:
    """Numbers of the 56 rules that rules here implement, wholly or in part."""
    return tuple(sorted({number for entry in every() for number in entry.numbers}))
