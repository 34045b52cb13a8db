# SPDX-License-Identifier: MIT
"""Run the rules that need neither a kernel nor a build: manifest, folder and sources."""

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
    """Return all errors and warnings of the schema and the rules, in the order of the file."""
    found = {*shape_problems(document), *rule_problems(document)}
    return tuple(sorted(found, key=lambda problem: problem.sort_key))
