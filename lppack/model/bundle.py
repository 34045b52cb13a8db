# SPDX-License-Identifier: MIT
"""A built module, and a bundle."""

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
    """A built and stripped module; ``work``: folder for files that are derived from it."""

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
    """A bundle on disk that was read and checked."""

    path: Path
    series: str
    version: int
    module: str
    release: str
    kernel_version: str
    engine: EngineName
    mode: ModeName
    converts: bool  # in phase 2
    world: bool = False  # data is converted in the stop that switches the kernel
    irreversible: bool = False  # data stays converted
    module_sha256: str
    srcversion: str | None = None  # hash of the module's sources
    engine_sha256: str | None = None  # of lppack_engine.ko; None: it is not needed
    provenance: tuple[tuple[str, str], ...]
    functions: tuple[tuple[str, str], ...]  # (object, function) of each replaced function
    signed: bool = False  # the module ends with the mark of a signature
    replaces: tuple[str, ...] = ()  # series whose live patches it replaces
    fixes: tuple[Fix, ...]
    test: TestSpec
