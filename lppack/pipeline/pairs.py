# SPDX-License-Identifier: MIT
"""A patch with a kernel, and what became of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lppack.errors import Problem

if TYPE_CHECKING:
    from lppack.model import Bundle


class PairState(StrEnum):
    """What became of a pair."""

    BUILT = "built"
    CACHED = "cached"
    OTHER_KERNEL = "not for this kernel"
    REFUSED = "refused"
    NOT_PROVED = "not proved"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What holds for every pair of a run."""

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
        """Return what provenance.json keeps: how to build it again."""
        names = ("engine", "mode", "deep", "prove", "release", "unproved", "inlining_unchecked")
        return {name: getattr(self, name) for name in (*names, "accepted")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    patch: Path
    kernel: str | None  # as --kernel takes it; None: the newest that the manifest names


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one pair; goes from one process to another."""

    pair: Pair
    state: PairState
    kernel: str  # its release, or the requested one
    code: int = 0
    seconds: float = 0.0
    bundle: "Bundle | None" = None
    complete: str = ""
    doubts: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    rules: tuple[str, ...] = ()  # that refused it
    message: str = ""
    hint: str | None = None
    log: Path | None = None
    said: tuple[str, ...] = field(default=(), repr=False)  # by the compiler, where it failed
