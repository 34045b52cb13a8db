# SPDX-License-Identifier: MIT
"""The cases of all rules: each tuple *CASES of each *_cases.py of this folder."""

import importlib
from pathlib import Path
from typing import TypeVar

from tests.unit.rules.cases import AnyCase

C = TypeVar("C")

_HOMES = [
    importlib.import_module(f"{__package__}.{file.stem}")
    for file in sorted(Path(__file__).parent.glob("*_cases.py"))
]
CASES: tuple[AnyCase, ...] = tuple(
    case
    for home in _HOMES
    for name, cases in vars(home).items()
    if name.endswith("CASES")
    for case in cases
)


def of_kind(kind: type[C]) -> list[C]:
    """The cases that one test runs."""
    return [case for case in CASES if isinstance(case, kind)]
