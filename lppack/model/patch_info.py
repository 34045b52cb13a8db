# SPDX-License-Identifier: MIT
"""The description that a live patch of lppack has of itself: its module's parameter `info`."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from lppack.model.fix import Fix, fix_of
from lppack.shape import fits, read_json

#: Explanation of irreversible patches, for messages.
IRREVERSIBLE = "what it converts stays so, and from then on it cannot be reverted"


class InliningCheck(StrEnum):
    """Whether the debug package was searched for inlined copies of functions."""

    CHECKED = "checked"
    UNCHECKED = "unchecked"


class Completeness(StrEnum):
    """Whether a comparison of object code has proved that a patch carries a whole change."""

    PROVED = "proved"
    NOT_CHECKED = "not checked"
    INCOMPLETE = "incomplete"


_TEXT = str | None
_SHAPE = {
    **dict.fromkeys(("series", "engine", "mode", "release", "kernel"), str),
    **dict.fromkeys(("replaces", "transforms", "world"), [str]),
    "version": int,
    "fixes": [{"cve": _TEXT, "commit": _TEXT, "functions": [str], "effective": str}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchInfo:
    """The description of a patch; false if it is foreign. An older lppack sets fewer fields."""

    series: str | None = None  # None: it is foreign
    version: int | None = None
    engine: str | None = None
    mode: str | None = None
    replaces: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    world: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    irreversible: bool = False
    inlining: str | None = None  # see InliningCheck; a module may say anything
    complete: str | None = None  # see Completeness; the same
    release: str | None = None
    kernel: str | None = None

    def __bool__(self) -> bool:
        return self.series is not None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """Read the description from a host, which is not trusted; an invalid one counts as
        foreign."""
        if not fits(value, _SHAPE) or "series" not in value:
            return cls()
        known = {field.name for field in dataclasses.fields(cls)}
        said = {key: one for key, one in value.items() if key in known}
        version = said.get("version", 1)
        shown = [one for key, one in said.items() if key not in ("inlining", "complete")]
        if isinstance(version, bool) or not 0 < version < 1 << 31 or not _is_plain(shown):
            return cls()
        for key in ("replaces", "transforms", "world"):
            said[key] = tuple(said.get(key, ()))
        try:
            said["fixes"] = tuple(map(fix_of, said.get("fixes", ())))
        except ValueError:  # unknown value of `effective`
            return cls()
        said["irreversible"] = said.get("irreversible") is True
        return cls(**said)

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        try:
            return cls.of(read_json(text, clean=False)) if text else cls()
        except ValueError:
            return cls()

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))


def _is_plain(value: Any) -> bool:
    """Return True if no text in ``value`` has control characters or surrogates."""
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return not isinstance(value, list) or all(map(_is_plain, value))
