# SPDX-License-Identifier: MIT
"""Pairs of patch and kernel, and their results."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack.errors import Problem

if TYPE_CHECKING:
    from lppack.model import Bundle


class PairState(StrEnum):
    """State of a pair."""

    BUILT = "built"
    CACHED = "cached"
    OTHER_KERNEL = "not for this kernel"
    REFUSED = "refused"
    NOT_PROVED = "not proved"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options for all pairs of a run."""

    output: Path
    builder: str = "docker"
    engine: str = "auto"
    mode: str | None = None
    deep: bool = False
    prove: bool = False
    release: bool = False
    unproved: bool = False
    inlining_unchecked: bool = False
    accepted: tuple[str, ...] = ()
    sign_key: Path | None = None
    sign_cert: Path | None = None
    check: bool = False

    def recorded(self) -> dict[str, Any]:
        """Return the options for provenance.json, with which `rebuild` builds again."""
        names = ("engine", "mode", "deep", "prove", "release", "unproved", "inlining_unchecked")
        return {name: getattr(self, name) for name in (*names, "accepted")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    patch: Path
    kernel: str | None  # as --kernel takes it; None: the newest that the manifest names


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one pair; it is passed between processes."""

    pair: Pair
    state: PairState
    kernel: str  # its release, or the requested one
    code: int = 0
    seconds: float = 0.0
    bundle: "Bundle | None" = None
    complete: str = ""
    doubts: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    rules: tuple[str, ...] = ()  # ids of rules that refused it
    message: str = ""
    hint: str | None = None
    log: Path | None = None
    said: tuple[str, ...] = field(default=(), repr=False)  # the compiler's lines, if it failed
