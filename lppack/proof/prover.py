# SPDX-License-Identifier: MIT
"""Compile what a change can affect, before and after, and compare the object code."""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lppack import entries, store
from lppack.builders.protocol import Builder
from lppack.csource.changes import Changes
from lppack.csource.lines import with_old_numbers
from lppack.distributions import open_distribution
from lppack.kernel.config import read_config
from lppack.kernel.elf64 import Elf
from lppack.kernel.facts import Facts
from lppack.kernel.image import unpacked
from lppack.model import Kernel
from lppack.proc import Say
from lppack.proof.affected import Affected, affected
from lppack.proof.align import aligned
from lppack.proof.compare import UnitDifference
from lppack.proof.compile import Compiled, Compiler, failure, sources_of
from lppack.proof.includes import Includes
from lppack.proof.kbuild import Kbuild, Unit
from lppack.proof.match import KernelCode, Matched, ModuleCode, VmlinuxCode
from lppack.proof.objects import ObjectFile
from lppack.proof.reader import read_object

_BYTES = "latin-1"
_FORMAT = 2  # of the cache
_MOST_UNITS = 400  # C files that are compiled for one change


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that a change does to the object code of one kernel."""

    affected: Affected
    units: tuple[UnitDifference, ...]
    not_built: tuple[str, ...]  # C files that the configuration leaves out
    built_apart: tuple[str, ...]  # C files whose units are not known
    too_many: bool  # more files are affected than were compiled


class Prover:
    """Compare object code for one kernel; ``builder`` compiles, ``say`` receives progress lines."""

    def __init__(self, kernel: Kernel, facts: Facts, builder: Builder, say: Say) -> None:
        self.kernel = kernel
        self.facts = facts
        self._builder = builder
        self._say = say
        self._codes: dict[str, KernelCode] = {}

    @cached_property
    def tree(self) -> Path:
        sources = open_distribution().sources
        return sources.source_tree(sources.package_of(self.kernel))

    @cached_property
    def includes(self) -> Includes:
        return Includes(self.tree, self.tree.parent)

    @cached_property
    def kbuild(self) -> Kbuild:
        return Kbuild(self.kernel, self.tree, self._cache / "kbuild")

    @cached_property
    def _cache(self) -> Path:
        """The folder of the cache for this exact kernel and compiler."""
        identity = sorted(self._builder.identity(self.kernel).items())
        package = open_distribution().sources.package_of(self.kernel)
        parts = repr((self.kernel.release, self.kernel.version, package, identity))
        key = hashlib.sha256(f"{_FORMAT} {parts}".encode()).hexdigest()[:24]
        place = store.cache_dir() / "objects" / key
        place.mkdir(parents=True, exist_ok=True)
        entries.hold(place)
        return place

    def compare(
        self,
        every: Collection[Changes],
        files: Mapping[str, tuple[bytes | None, bytes | None]],
        read: Callable[[str], Changes | None],
    ) -> Comparison:
        """Compile what a change affects, before and after, and compare the object code.

        ``every`` and ``read``: as for affected(). ``files``: each file that differs, before and
        after (None: there is none). Raise BuildFailed, EnvironmentMissing.
        """
        found = affected(every, self.tree, self.includes, read)
        with self._compiler(found.paths) as compiler:
            units = {path: self.kbuild.units(path) for path in found.paths}
            wanted = [unit for ones in units.values() for unit in ones]
            too_many = bool(found.not_followed) or len(wanted) > _MOST_UNITS
            wanted = wanted[:_MOST_UNITS]
            self._say(f"compiling {len(wanted)} files, before and after")
            before = compiler.before(wanted)
            after = compiler.after(
                [unit for unit in wanted if before[unit].object is not None],
                {path: _numbered(was, now) for path, (was, now) in files.items()},
                sources_of(before.values()),
            )
        new = {path for path, (was, _) in files.items() if was is None}
        none = [
            path
            for path in (c.before.path for c in every if c.before.path.endswith(".c"))
            if not units.get(path) and path not in new and not self._is_included(path, units)
        ]
        config = read_config(self.kernel.config)
        return Comparison(
            affected=found,
            units=tuple(_difference(unit, before[unit], after.get(unit)) for unit in wanted),
            not_built=tuple(path for path in none if self.kbuild.is_off(path, config)),
            built_apart=tuple(path for path in none if not self.kbuild.is_off(path, config)),
            too_many=too_many,
        )

    def _is_included(self, path: str, units: Mapping[str, tuple[Unit, ...]]) -> bool:
        """Return whether the file is compiled as part of another C file."""
        return any(units.get(user) for user in self.includes.users(path))

    def differences(
        self, files: Mapping[str, tuple[bytes | None, bytes | None]]
    ) -> list[UnitDifference]:
        """Compare C files, before and after, and nothing that includes them."""
        with self._compiler(files) as compiler:
            units = [unit for path in files for unit in self.kbuild.units(path)]
            before = compiler.before(units)
            texts = {path: _numbered(was, now) for path, (was, now) in files.items()}
            after = compiler.after(units, texts, sources_of(before.values()))
        return [_difference(unit, before[unit], after[unit]) for unit in units]

    def otherwise_in_modules(
        self,
        units: Sequence[UnitDifference],
        files: Mapping[str, tuple[bytes | None, bytes | None]],
    ) -> dict[str, frozenset[str]]:
        """Map each C file of vmlinux to its functions whose code differs if MODULE is defined.

        It is defined for a patch, and proc_fs.h (v6.1), for example, has another
        PROC_ENTRY_PERMANENT then.
        """
        own = {
            one.unit: one.after
            for one in units
            if one.after is not None and "vmlinux" in one.unit.objects
        }
        with self._compiler([unit.path for unit in own]) as compiler:
            texts = {path: _numbered(was, now) for path, (was, now) in files.items()}
            near = sources_of(compiler.before(list(own)).values())
            modules = {unit: replace(unit, flags=(*unit.flags, "-DMODULE")) for unit in own}
            made = compiler.after(list(modules.values()), texts, near)
        found: dict[str, frozenset[str]] = {}
        for unit, code in own.items():
            other = _read(made[modules[unit]])
            there = aligned(other, code).functions if other else {}
            found[unit.path] = frozenset(
                function.base
                for name, function in code.functions.items()
                if name not in there or there[name].key != function.key
            )
        return found

    def objects(self, paths: Collection[str]) -> dict[Unit, ObjectFile | None]:
        """Compile unchanged C files; None for one that does not compile."""
        with self._compiler(paths) as compiler:
            units = [unit for path in paths for unit in self.kbuild.units(path)]
            made = compiler.before(units)
        return {unit: _read(one) for unit, one in made.items()}

    @contextlib.contextmanager
    def _compiler(self, paths: Collection[str]) -> Iterator[Compiler]:
        with (
            store.temporary("proof-") as work,
            self._builder.open(work, self.kernel, sources=self.tree) as site,
        ):
            work.chmod(0o777)
            missing = self.kbuild.missing(paths)
            if missing:
                self._say(f"asking kbuild about {len(missing)} folders")
                self.kbuild.read(site, work, missing)
            yield Compiler(site, work, self.tree, self._cache / "before")

    def match(self, object_: str, code: ObjectFile) -> dict[str, Matched]:
        """Match the functions of an unchanged file with the symbols of one object."""
        if object_ not in self._codes:
            if object_ == "vmlinux":
                self._codes[object_] = VmlinuxCode(self.facts, self._vmlinux)
            else:
                self._codes[object_] = ModuleCode(self.facts, object_)
        return self._codes[object_].match(code.functions.values())

    @cached_property
    def _vmlinux(self) -> Elf:
        place = unpacked(self.kernel)
        return Elf(place.read_bytes(), f"vmlinux in {self.kernel.image}")


def _numbered(was: bytes | None, now: bytes | None) -> bytes | None:
    if was is None or now is None:
        return now
    return with_old_numbers(was.decode(_BYTES), now.decode(_BYTES)).encode(_BYTES)


def _read(one: Compiled) -> ObjectFile | None:
    return read_object(one.object, one.unit.path, tree=one.tree) if one.object else None


def _difference(unit: Unit, before: Compiled, after: Compiled | None) -> UnitDifference:
    broken = next((one for one in (before, after) if one and one.object is None), None)
    was, now = _read(before), _read(after) if after else None
    return UnitDifference(
        unit=unit,
        before=was,
        after=aligned(now, was) if now and was else now,
        error=failure(broken) if broken else "",
    )
