# SPDX-License-Identifier: MIT
"""Fixes of a live patch."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Effective(StrEnum):
    """When a fix becomes effective."""

    PATCHED = "patched"
    CONVERTED = "converted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    cve: str | None  # None: the fix has none
    commit: str | None
    functions: tuple[str, ...]  # functions that upstream's diff changes
    effective: Effective

    @property
    def name(self) -> str:
        """Return the name for messages."""
        return self.cve or self.commit or ", ".join(self.functions) or "a fix without a name"

    @property
    def names(self) -> frozenset[str]:
        """Return the names that identify the same fix in every patch."""
        return frozenset(filter(None, (self.cve, self.commit))) or frozenset({self.name})


def fix_of(entry: Mapping[str, Any]) -> Fix:
    """Read a fix from a live patch's description of itself."""
    return Fix(
        cve=entry.get("cve"),
        commit=entry.get("commit"),
        functions=tuple(entry.get("functions", ())),
        effective=Effective(entry.get("effective", Effective.PATCHED)),
    )


def fix_json(fix: Fix) -> dict[str, object]:
    return {
        "cve": fix.cve,
        "commit": fix.commit,
        "functions": list(fix.functions),
        "effective": fix.effective.value,
    }
