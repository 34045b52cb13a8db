# SPDX-License-Identifier: MIT
"""What is built, and what travels."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.consistency import EngineName, ModeName
from lppack.model.checks import TestSpec
from lppack.model.fix import Fix

if TYPE_CHECKING:
    from lppack.model.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """Built and stripped; ``work`` is the folder for what is derived from it."""

    plan: "Plan"
    ko: Path
    engine: Path | None  # lppack_engine.ko; None: the kernel's own engine moves it
    targets: tuple[Path, ...]  # test modules, built from target/
    programs: tuple[Path, ...]  # static user programs of the tests
    provenance: tuple[tuple[str, str], ...]
    seconds: float
    cached: bool
    work: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle on disk that was read and found whole."""

    path: Path
    series: str
    version: int
    module: str
    release: str
    kernel_version: str
    engine: EngineName
    mode: ModeName
    converts: bool  # in phase 2
    world: bool = False  # its data is transformed in the stop that flips
    irreversible: bool = False  # what it converts stays so
    module_sha256: str
    srcversion: str | None = None  # of the module: a hash of all of its sources
    engine_sha256: str | None = None  # of lppack_engine.ko; None: it is not needed
    provenance: tuple[tuple[str, str], ...]
    functions: tuple[tuple[str, str], ...]  # (object, function) of all that it replaces
    signed: bool = False  # has the mark of a signature at its end
    replaces: tuple[str, ...] = ()  # series whose live patches it takes the place of
    fixes: tuple[Fix, ...]
    test: TestSpec
