# SPDX-License-Identifier: MIT
"""What was decided for a manifest and a kernel, and the sources that come of it."""

from dataclasses import dataclass
from pathlib import Path

from lppack.abi import MODULE_LICENSES
from lppack.consistency import EngineName, Mode
from lppack.errors import Problem
from lppack.model.kernel import Kernel
from lppack.model.manifest import (
    FunctionPatch,
    Manifest,
    ObjectPatch,
    ShadowVariable,
    State,
    SymbolUse,
)
from lppack.model.patch_info import Completeness, InliningCheck, PatchInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One thing that ``plan`` settled, and why."""

    what: str
    value: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitList:
    """Where a kernel's lists of threads that exit are, in bytes; see kernel/exiting.py."""

    head: int  # into struct rcu_tasks_percpu, of which there is one for each CPU
    node: int  # into struct task_struct


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every decision; what comes after obeys."""

    manifest: Manifest
    kernel: Kernel
    engine: EngineName
    mode: Mode
    compiler: str  # program that kbuild calls: "gcc-12"
    anchor: ObjectPatch  # vmlinux, always there: the kernel runs no callback of an absent object
    modules: tuple[ObjectPatch, ...]  # the objects that are modules
    series_state: int  # klp_state id
    states: tuple[State, ...]  # of the module, that of the series first
    transform_states: tuple[tuple[str, int], ...]  # (transform, id of its klp_state)
    shadows: tuple[tuple[ShadowVariable, int], ...]  # each with its id
    info: str  # JSON that the module shows as its parameter `info`
    decisions: tuple[Decision, ...]
    complete: Completeness = Completeness.NOT_CHECKED  # does it carry all that it follows?
    doubts: tuple[str, ...] = ()  # why that is not proved
    warnings: tuple[Problem, ...] = ()  # of the rules, as validate prints them
    inlining: InliningCheck = InliningCheck.UNCHECKED  # checked: of every function of the patch
    exit_list: ExitList | None = None  # of threads that exit; None: RCU waits for those
    clears_relocations: bool = False  # the kernel does, when a module goes
    test_points: bool = False  # threads can be held at named places; only for tests

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> int:
        return self.manifest.version

    @property
    def module(self) -> str:
        return self.manifest.module

    @property
    def by_engine(self) -> bool:
        """Moved by lppack_engine.ko, which the bundle then holds too."""
        return self.engine is EngineName.CONSISTENCY

    @property
    def engine_mode(self) -> str:
        """The mode as enum lpe_mode of kmod/engine/lppack_engine.h has it."""
        return f"LPE_{self.mode.name.name}"

    @property
    def counts(self) -> bool:
        """Calls of replaced functions are counted, by wrappers in the module."""
        return self.mode.counts

    @property
    def target_modules(self) -> tuple[str, ...]:
        """Modules whose data is transformed."""
        return tuple(dict.fromkeys(t.object for t in self.manifest.transforms if t.object))

    @property
    def patched(self) -> tuple[ObjectPatch, ...]:
        """Every object, vmlinux first."""
        return (self.anchor, *self.modules)

    @property
    def resolved(self) -> tuple[tuple[str, SymbolUse], ...]:
        """(object, symbol) of all that the kernel resolves by livepatch relocations."""
        return tuple(
            (entry.name or "vmlinux", symbol) for entry in self.patched for symbol in entry.resolved
        )

    def slots_of(self, entry: ObjectPatch) -> tuple[SymbolUse | FunctionPatch, ...]:
        """lppack_engine.ko looks the functions up by itself, before it hooks the first."""
        return entry.symbols if self.by_engine and entry.slots else entry.slots

    @property
    def with_slots(self) -> tuple[ObjectPatch, ...]:
        return tuple(entry for entry in self.modules if entry.slots)

    @property
    def module_license(self) -> str:
        """As MODULE_LICENSE takes it."""
        return MODULE_LICENSES[self.manifest.license]

    @property
    def converts(self) -> bool:
        """In phase 2: TRANSFORM_ON_ACCESS."""
        return bool(self.manifest.transforms)

    @property
    def replace(self) -> bool:
        """A cumulative patch: the kernel's replace, which removes every other live patch."""
        return bool(self.manifest.replaces)

    @property
    def newest_shadows(self) -> tuple[tuple[ShadowVariable, int], ...]:
        return tuple((var, id_) for var, id_ in self.shadows if var.newest)

    def older_shadows_of(self, transform: str) -> tuple[tuple[ShadowVariable, int], ...]:
        """Return variables of earlier versions; they are freed when an instance gets our form."""
        of = (entry for entry in self.shadows if entry[0].transform == transform)
        return tuple(entry for entry in of if not entry[0].newest)

    @property
    def objects(self) -> tuple[str, ...]:
        """What kbuild links: generated files, then the author's, in order."""
        ours = ["lp_glue.o", "lp_series.o"]
        ours += ["lp_slots.o"] if self.with_slots else []
        ours += ["lp_count.o"] if self.counts else []
        ours += ["lp_convert.o"] if self.converts else []
        ours += ["lp_world.o"] if self.manifest.world else []
        ours += [] if self.by_engine else ["lp_unload.o"]
        ours += ["lp_test_point.o"] if self.test_points else []
        return (*ours, *(source.removesuffix(".c") + ".o" for source in self.manifest.sources))

    def shadow_ids_of(self, transform: str) -> tuple[tuple[str, int], ...]:
        """(name, id) of the shadow variables that ``transform`` allows to be made."""
        return tuple((var.name, id_) for var, id_ in self.shadows if var.transform == transform)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """What kbuild will see: text by relative path, and files to be copied."""

    plan: Plan
    files: tuple[tuple[str, str], ...]  # (relative path, text), sorted
    copies: tuple[tuple[str, Path], ...]  # (relative path, the author's file), sorted


def info_json(made: Plan) -> str:
    """Return what the module says of itself, so that status needs no file on disk."""
    manifest = made.manifest
    return PatchInfo(
        series=made.name,
        version=made.version,
        engine=made.engine,
        mode=made.mode.name,
        replaces=manifest.replaces,
        transforms=tuple(transform.name for transform in manifest.transforms),
        world=tuple(transform.name for transform in manifest.world),
        fixes=manifest.fixes,
        irreversible=bool(manifest.irreversible),
        inlining=made.inlining,
        complete=made.complete,
        release=made.kernel.release,
        kernel=made.kernel.version,
    ).to_json()
