# SPDX-License-Identifier: MIT
"""The rules of a manifest, its folder and its sources: what needs no kernel and no build."""

from collections.abc import Iterator

from lppack.document import Document
from lppack.errors import Problem
from lppack.rules.registry import MANIFEST, ask
from lppack.rules.shape import shape_problems
from lppack.rules.source import with_code


def rule_problems(document: Document) -> Iterator[Problem]:
    """Run every rule of the manifest, its folder and its sources; yield errors and warnings."""
    yield from ask(MANIFEST, with_code(document))


def problems_of(document: Document) -> tuple[Problem, ...]:
    """Return what the schema and the rules find, with warnings, in the order of the file."""
    found = {*shape_problems(document), *rule_problems(document)}
    return tuple(sorted(found, key=lambda problem: problem.sort_key))
