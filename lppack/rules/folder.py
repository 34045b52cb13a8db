# SPDX-License-Identifier: MIT
"""The rules of a manifest, its folder and its sources: what needs no kernel and no build."""

from collections.abc import Iterator

from lppack.document import Document
from lppack.errors import Level, Problem
from lppack.rules import (
    conversion,
    data,
    files,
    manifest,
    needs,
    shadowed,
    source,
    symbols,
    workload,
)
from lppack.rules.runner import Rule, problems
from lppack.rules.shape import shape_problems

RULES: tuple[Rule, ...] = (
    *manifest.RULES,
    *needs.RULES,
    *data.RULES,
    *files.RULES,
    *workload.RULES,
    *symbols.RULES,
    *shadowed.RULES,
    *source.RULES,
    *conversion.RULES,
)
WARNINGS: tuple[Rule, ...] = (
    *manifest.WARNINGS,
    *data.WARNINGS,
    *source.WARNINGS,
    *conversion.WARNINGS,
)


def rule_problems(document: Document) -> Iterator[Problem]:
    """Run every rule of the manifest, its folder and its sources; yield errors and warnings."""
    document = source.with_code(document)
    for rule in RULES:
        yield from problems(document, rule(document), rule)
    for rule in WARNINGS:
        yield from problems(document, rule(document), rule, level=Level.WARNING)


def problems_of(document: Document) -> tuple[Problem, ...]:
    """Return what the schema and the rules find, with warnings, in the order of the file."""
    found = {*shape_problems(document), *rule_problems(document)}
    return tuple(sorted(found, key=lambda problem: problem.sort_key))
