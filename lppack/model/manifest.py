# SPDX-License-Identifier: MIT
"""What an author writes, once it was found right, and what follows from its names alone."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lppack.consistency import ModeName, Needs
from lppack.model.checks import TestSpec
from lppack.model.fix import Fix
from lppack.names import module_name


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPatch:
    old: str
    new: str
    sympos: int | None  # None in a manifest: to be filled in by plan
    words: int = 0  # that a wrapper which counts its calls hands on; plan fills it in

    @property
    def slot(self) -> str:
        """The pointer to the old function, if that is in a module with slots."""
        return f"lp_old_{self.new}"

    @property
    def wanted(self) -> str:
        return f"__lp_function_{self.new}"

    @property
    def wrapper(self) -> str:
        """Stands for the function while its calls are counted."""
        return f"lp_count_{self.new}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolUse:
    """A symbol that is not exported, and that the author's code uses."""

    name: str  # the kernel's; "count.3" is a static variable of a function
    c_name: str  # the author's
    sympos: int | None  # None in a manifest: to be filled in by plan
    module: str | None = None  # that has it, and that the object depends on; None: the object has
    exported: bool = False  # by vmlinux, as plan finds out: needs no livepatch relocation
    callable: bool = False  # of a module: a function, as plan finds out; otherwise data

    @property
    def slot(self) -> str:
        """The pointer to it, if it is a module's."""
        return f"lp_slot_{self.c_name}"

    @property
    def wanted(self) -> str:
        """The undefined name that the slot points to; never the module's own, which modpost would
        find exported and make the patch depend on the module."""
        return f"__lp_symbol_{self.c_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The author's functions at the steps of one object; None: nothing to do there."""

    pre_patch: str | None = None
    post_patch: str | None = None
    pre_unpatch: str | None = None
    post_unpatch: str | None = None
    barrier: str | None = None  # waits for callbacks in flight

    @property
    def of_the_kernel(self) -> tuple[tuple[str, str], ...]:
        """(step, function) of those that are callbacks of struct klp_object."""
        steps = ("pre_patch", "post_patch", "pre_unpatch", "post_unpatch")
        return tuple((step, name) for step in steps if (name := getattr(self, step)))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A klp_state: the kernel refuses a cumulative patch that lacks it, or has it older."""

    id: int
    version: int
    what: str  # for people


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPatch:
    name: str | None  # None means vmlinux, as in the kernel
    functions: tuple[FunctionPatch, ...]
    hooks: Hooks = field(default_factory=Hooks)
    symbols: tuple[SymbolUse, ...] = ()

    @property
    def resolved(self) -> tuple[SymbolUse, ...]:
        """The symbols that the kernel resolves by livepatch relocations."""
        return tuple(symbol for symbol in self.symbols if not symbol.exported)

    @property
    def slots(self) -> tuple[SymbolUse | FunctionPatch, ...]:
        """A module's symbols, reached through pointers; and the functions that are replaced, so
        that one that is missing is found before the first pointer is written."""
        if self.name is None or not self.symbols:
            return ()
        return (*self.functions, *self.symbols)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformPatch:
    """On-access conversion of one type; the names are functions of the author's."""

    name: str
    object: str | None
    type: str
    marker: str
    take: str
    release: str
    context: str  # "process", "softirq" or "irq": where instances are used
    forward: str
    reverse: str | None  # None: it is irreversible


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldTransform:
    """All instances of one type at once, in the stop that flips; the names are functions of the
    author's."""

    name: str
    object: str | None
    type: str
    marker: str
    for_each: str
    prepare: str | None  # None: nothing is needed that a stop cannot make
    check: str | None  # None: every instance can be converted
    forward: str
    reverse: str
    finish: str | None  # None: nothing is left over
    max_stop_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowVariable:
    name: str
    version: int
    type: str
    attached_to: str
    transform: str
    constructor: str | None  # None: zeroed memory is enough
    newest: bool = True  # of the versions of this name; the others can only be read

    @property
    def getter(self) -> str:
        return f"{self.name}_get" if self.newest else f"{self.name}_v{self.version}_get"


class Counts(StrEnum):
    """What the number at the end of a folded stack counts."""

    SAMPLES = "samples"
    MICROSECONDS = "microseconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """What is known of the visits of threads of one name to one function."""

    function: str
    comm: str | None = None  # None: of all threads
    threads: int | None = None  # None: as many as the stacks show
    kthread: bool = False  # kernel threads; only used where there are no stacks
    histogram: Path | None = None  # what funclatency printed
    seconds: float | None = None  # mean length
    per_second: float | None = None  # entries a second, of all these threads together


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What the simulator is to assume of the machine."""

    calls: tuple[tuple[str, tuple[str, ...]], ...] = ()  # function, what it calls
    threads: tuple[tuple[str, ...], ...] = ()  # of each the functions, outermost first
    sleeps: tuple[str, ...] = ()  # functions in which threads sleep for as long as they like
    stacks: Path | None = None
    counts: Counts = Counts.SAMPLES
    watched: float | None = None  # seconds that stacks and visits were counted; None: not given
    visits: tuple[Visits, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that was found right; paths in it are relative to ``folder``."""

    path: Path
    name: str
    version: int
    description: str
    license: str
    author: str
    fixes: tuple[Fix, ...]
    kernels: tuple[str, ...]
    needs: Needs
    mode: ModeName | None  # None: the weakest that covers the needs
    sources: tuple[str, ...]
    headers: tuple[str, ...]
    objects: tuple[ObjectPatch, ...]
    transforms: tuple[TransformPatch, ...]  # TRANSFORM_ON_ACCESS
    shadow_variables: tuple[ShadowVariable, ...]
    world: tuple[WorldTransform, ...] = ()  # TRANSFORM_WORLD
    kernel_headers: tuple[str, ...] = ()  # folders of the kernel's tree
    follows: str | None = None  # a unified diff of the kernel's sources; None: it names none
    replaces: tuple[str, ...] = ()  # series; () is not a cumulative patch
    states: tuple[State, ...] = ()  # the author's own
    workload: Workload | None = None  # None: nothing is known of it
    interdependent: tuple[tuple[str, ...], ...] = ()  # functions that must not mix in one visit
    test: TestSpec

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def irreversible(self) -> tuple[str, ...]:
        """Names of the transforms that cannot be reversed."""
        return tuple(entry.name for entry in self.transforms if entry.reverse is None)

    @property
    def module(self) -> str:
        """The module's name. It has the version, as two versions must be loadable side by side."""
        return module_name(self.name, self.version)
