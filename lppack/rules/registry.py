# SPDX-License-Identifier: MIT
"""The registry of rules: `@rule` adds a rule, and the rest of lppack finds it here."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from lppack.document import Document
from lppack.errors import Level, Problem
from lppack.rules.runner import Fault, problems, rule_id

if TYPE_CHECKING:
    from lppack.consistency import Mode
    from lppack.elf.dwarf import CompiledTypes
    from lppack.elf.module import ModuleFile
    from lppack.kernel.config import KernelConfig
    from lppack.kernel.facts import Facts
    from lppack.model import Bundle, Kernel, Plan
    from lppack.rules.view import Against, CompiledFault, Refusal, View

R = TypeVar("R", bound=Callable[..., Iterator[Any]])
P = ParamSpec("P")


class Asked(StrEnum):
    """When a rule is checked; the text is printed in docs/rules.md."""

    ALWAYS = "always"
    FROM = "by validate, with --from OLD"
    KERNEL = "with a kernel: by validate with --kernel, and by plan"
    PLAN = "by plan"
    COMPILED = "of the compiled sources: by build"
    BUILT = "of the built module: by build and inspect"
    APPLY = "of the host: by apply, before it loads anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEntry(Generic[R]):
    """A rule, as its decorator has registered it."""

    rule: R
    level: Level
    asked: Asked
    sources: tuple[int, ...]  # numbers of the 56 rules of docs/decisions.md; empty: none of them

    @property
    def id(self) -> str:
        return rule_id(self.rule)

    @property
    def page(self) -> str:
        """Return the rule's page: the numbers of its sources, then its docstring."""
        text = inspect.getdoc(self.rule) or ""
        if not self.sources:
            return text
        *others, last = map(str, self.sources)
        numbers = f"Rules {', '.join(others)} and {last}" if others else f"Rule {last}"
        level = " (warning)" if self.level is Level.WARNING else ""
        first = text.split(maxsplit=1)[0].rstrip(",:;")
        if first.isalpha() and first.istitle():
            text = text[0].lower() + text[1:]
        return f"{numbers}{level}: {text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need(Generic[R]):
    """The arguments that rules of one kind take, and when these rules run.

    ``files``: the modules of this folder that define such rules, in the order in which they run.
    They are imported when the rules are needed: most commands need few of them.
    """

    asked: Asked
    files: tuple[str, ...]
    registered: list[RuleEntry[R]] = field(default_factory=list)

    def entries(self) -> tuple[RuleEntry[R], ...]:
        """Return the rules: errors, then warnings, each in the order of the files."""
        for name in self.files:
            importlib.import_module(f"{__package__}.{name}")

        def order(entry: RuleEntry[R]) -> tuple[bool, int]:
            return entry.level is Level.WARNING, self.files.index(_file(entry.rule))

        return tuple(sorted(self.registered, key=order))


def rule(
    *, needs: Need[R], level: Level = Level.ERROR, sources: tuple[int, ...] = ()
) -> Callable[[R], R]:
    """Register a generator of faults as a rule.

    Its name is its id, its docstring its page. ``sources``: which of the 56 gathered rules of
    docs/decisions.md it implements, wholly or in part.
    """

    def register(function: R) -> R:
        if _file(function) not in needs.files:
            raise ValueError(f"{_file(function)}.py is not in the files of {needs.asked!r}")
        entry = RuleEntry(rule=function, level=level, asked=needs.asked, sources=sources)
        needs.registered.append(entry)
        return function

    return register


def _file(function: Callable[..., object]) -> str:
    return function.__module__.rpartition(".")[2]


Rule = Callable[[Document], Iterator[Fault]]
VersionRule = Callable[[Document, Document], Iterator[Fault]]
ConfigRule = Callable[[Document, "Kernel", "KernelConfig"], Iterator[Fault]]
FactsRule = Callable[[Document, "Facts"], Iterator[Fault]]
PlanRule = Callable[[Document, "Mode", str, "Facts"], Iterator[Fault]]
CompiledRule = Callable[["CompiledTypes", "Plan", "Facts"], Iterator["CompiledFault"]]
ModuleRule = Callable[["ModuleFile", "Against"], Iterator[str]]
HostRule = Callable[["View", "Bundle"], Iterator["Refusal"]]

#: The manifest, its folder and its sources: neither kernel nor build.
MANIFEST: Need[Rule] = Need(
    asked=Asked.ALWAYS,
    files=(
        "manifest",
        "needs",
        "data",
        "files",
        "workload",
        "symbols",
        "shadowed",
        "source",
        "conversion",
    ),
)
#: The earlier version of the patch.
VERSION: Need[VersionRule] = Need(asked=Asked.FROM, files=("history",))
#: The kernel's package: release, configuration, headers.
CONFIG: Need[ConfigRule] = Need(asked=Asked.KERNEL, files=("target",))
#: The same. No change of the manifest can help, so a fault is reported as EnvironmentMissing.
ENVIRONMENT: Need[ConfigRule] = Need(asked=Asked.KERNEL, files=("target",))
#: The kernel's symbols, traceable sites and modules.
FACTS: Need[FactsRule] = Need(
    asked=Asked.KERNEL, files=("kernel", "symbols", "own_engine", "inlining")
)
#: The selected mode and engine.
PLAN: Need[PlanRule] = Need(asked=Asked.PLAN, files=("needs", "counted", "own_engine"))
COMPILED: Need[CompiledRule] = Need(asked=Asked.COMPILED, files=("compiled",))
BUILT: Need[ModuleRule] = Need(asked=Asked.BUILT, files=("module",))
HOST: Need[HostRule] = Need(asked=Asked.APPLY, files=("host",))

_NEEDS: tuple[Need[Any], ...] = (
    MANIFEST,
    VERSION,
    CONFIG,
    ENVIRONMENT,
    FACTS,
    PLAN,
    COMPILED,
    BUILT,
    HOST,
)


def ask(
    needs: Need[Callable[Concatenate[Document, P], Iterator[Fault]]],
    document: Document,
    *given: P.args,
    **more: P.kwargs,
) -> Iterator[Problem]:
    """Run the rules of one need; yield the problems that they find, with their places."""
    for entry in needs.entries():
        faults = entry.rule(document, *given, **more)
        yield from problems(document, faults, entry.rule, level=entry.level)


def every() -> tuple[RuleEntry[Any], ...]:
    """Return all rules, in the order in which they run."""
    order = list(Asked)
    entries = [entry for needs in _NEEDS for entry in needs.entries()]
    return tuple(sorted(entries, key=lambda e: (order.index(e.asked), e.level is Level.WARNING)))


#: Numbers of the 56 rules that are not implemented; docs/decisions.md has the reasons.
DROPPED = (25, 34, 35, 42, 43)


def live() -> tuple[int, ...]:
    """Return the numbers of the 56 rules that are implemented, wholly or in part."""
    return tuple(sorted({number for entry in every() for number in entry.sources}))
