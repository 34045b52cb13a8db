# SPDX-License-Identifier: MIT
"""The plan for a manifest and a kernel, and the generated sources."""

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
    """One decision of ``plan``, with its reason."""

    what: str
    value: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitList:
    """Offsets, in bytes, of a kernel's lists of exiting threads; see kernel/exiting.py."""

    head: int  # into struct rcu_tasks_percpu, of which there is one for each CPU
    node: int  # into struct task_struct


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All decisions, which the later stages follow."""

    manifest: Manifest
    kernel: Kernel
    engine: EngineName
    mode: Mode
    compiler: str  # program that kbuild calls: "gcc-12"
    anchor: ObjectPatch  # vmlinux, always there: the kernel runs no callback of an absent object
    modules: tuple[ObjectPatch, ...]  # the objects that are modules
    series_state: int  # klp_state id
    states: tuple[State, ...]  # klp_states of the module, the series first
    transform_states: tuple[tuple[str, int], ...]  # (transform, id of its klp_state)
    shadows: tuple[tuple[ShadowVariable, int], ...]  # each with its id
    info: str  # JSON that the module shows as its parameter `info`
    decisions: tuple[Decision, ...]
    complete: Completeness = Completeness.NOT_CHECKED  # whether the patch carries the whole change
    doubts: tuple[str, ...] = ()  # why the patch is not proved complete
    warnings: tuple[Problem, ...] = ()  # of the rules, as validate prints them
    inlining: InliningCheck = InliningCheck.UNCHECKED  # CHECKED: for every function of the patch
    exit_list: ExitList | None = None  # list of exiting threads; None: RCU waits for them
    clears_relocations: bool = False  # the kernel clears them when a module is unloaded
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
        """Return True if lppack_engine.ko moves the patch; the bundle then contains it."""
        return self.engine is EngineName.CONSISTENCY

    @property
    def engine_mode(self) -> str:
        """Return the name of the mode in enum lpe_mode (kmod/engine/lppack_engine.h)."""
        return f"LPE_{self.mode.name.name}"

    @property
    def counts(self) -> bool:
        """Return True if wrappers in the module count the calls of replaced functions."""
        return self.mode.counts

    @property
    def target_modules(self) -> tuple[str, ...]:
        """Return the modules whose data is converted."""
        return tuple(dict.fromkeys(t.object for t in self.manifest.transforms if t.object))

    @property
    def patched(self) -> tuple[ObjectPatch, ...]:
        """Return every object, vmlinux first."""
        return (self.anchor, *self.modules)

    @property
    def resolved(self) -> tuple[tuple[str, SymbolUse], ...]:
        """Return (object, symbol) of each symbol that the kernel resolves by livepatch
        relocations."""
        return tuple(
            (entry.name or "vmlinux", symbol) for entry in self.patched for symbol in entry.resolved
        )

    def slots_of(self, entry: ObjectPatch) -> tuple[SymbolUse | FunctionPatch, ...]:
        """Return the slots of an object. lppack_engine.ko itself looks up functions before the
        first hook."""
        return entry.symbols if self.by_engine and entry.slots else entry.slots

    @property
    def with_slots(self) -> tuple[ObjectPatch, ...]:
        return tuple(entry for entry in self.modules if entry.slots)

    @property
    def module_license(self) -> str:
        """Return the license for MODULE_LICENSE."""
        return MODULE_LICENSES[self.manifest.license]

    @property
    def converts(self) -> bool:
        """Return True if the patch converts data in phase 2 (TRANSFORM_ON_ACCESS)."""
        return bool(self.manifest.transforms)

    @property
    def replace(self) -> bool:
        """Return True for a cumulative patch, which removes every other live patch
        (klp_patch.replace)."""
        return bool(self.manifest.replaces)

    @property
    def newest_shadows(self) -> tuple[tuple[ShadowVariable, int], ...]:
        return tuple((var, id_) for var, id_ in self.shadows if var.newest)

    def older_shadows_of(self, transform: str) -> tuple[tuple[ShadowVariable, int], ...]:
        """Return the variables of earlier versions, which are freed when an instance is
        converted."""
        of = (entry for entry in self.shadows if entry[0].transform == transform)
        return tuple(entry for entry in of if not entry[0].newest)

    @property
    def objects(self) -> tuple[str, ...]:
        """Return the object files that kbuild links: generated ones, then the author's, in
        order."""
        ours = ["lp_glue.o", "lp_series.o"]
        ours += ["lp_slots.o"] if self.with_slots else []
        ours += ["lp_count.o"] if self.counts else []
        ours += ["lp_convert.o"] if self.converts else []
        ours += ["lp_world.o"] if self.manifest.world else []
        ours += [] if self.by_engine else ["lp_unload.o"]
        ours += ["lp_test_point.o"] if self.test_points else []
        return (*ours, *(source.removesuffix(".c") + ".o" for source in self.manifest.sources))

    def shadow_ids_of(self, transform: str) -> tuple[tuple[str, int], ...]:
        """Return (name, id) of the shadow variables that ``transform`` may create."""
        return tuple((var.name, id_) for var, id_ in self.shadows if var.transform == transform)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """The sources for kbuild: texts by relative path, and files to copy."""

    plan: Plan
    files: tuple[tuple[str, str], ...]  # (relative path, text), sorted
    copies: tuple[tuple[str, Path], ...]  # (relative path, the author's file), sorted


def info_json(made: Plan) -> str:
    """Return the description for the module's parameter `info`, so that status needs no files."""
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
