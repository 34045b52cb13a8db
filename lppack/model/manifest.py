# SPDX-License-Identifier: MIT
"""A valid manifest, and values that follow from its names."""

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
    words: int = 0  # argument words that the counting wrapper passes on; plan sets it

    @property
    def slot(self) -> str:
        """Return the name of the pointer to the old function, for a module with slots."""
        return f"lp_old_{self.new}"

    @property
    def wanted(self) -> str:
        return f"__lp_function_{self.new}"

    @property
    def wrapper(self) -> str:
        """Return the name of the wrapper that counts the function's calls."""
        return f"lp_count_{self.new}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolUse:
    """A symbol that is not exported, and that the author's code uses."""

    name: str  # the kernel's; "count.3" is a static variable of a function
    c_name: str  # the author's
    sympos: int | None  # None in a manifest: to be filled in by plan
    module: str | None = (
        None  # module with the symbol, on which the object depends; None: the object
    )
    exported: bool = False  # set by plan: vmlinux exports it, so no livepatch relocation is needed
    callable: bool = False  # set by plan: a module's function; False: data

    @property
    def slot(self) -> str:
        """Return the name of the pointer to a module's symbol."""
        return f"lp_slot_{self.c_name}"

    @property
    def wanted(self) -> str:
        """Return the undefined name to which the slot points.

        It differs from the module's own name: modpost would find that exported, and add a
        dependency.
        """
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
        """Return (step, function) of the hooks that are callbacks of struct klp_object."""
        steps = ("pre_patch", "post_patch", "pre_unpatch", "post_unpatch")
        return tuple((step, name) for step in steps if (name := getattr(self, step)))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A klp_state: the kernel refuses a cumulative patch that lacks it or has an older version."""

    id: int
    version: int
    what: str  # description for messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPatch:
    name: str | None  # None means vmlinux, as in the kernel
    functions: tuple[FunctionPatch, ...]
    hooks: Hooks = field(default_factory=Hooks)
    symbols: tuple[SymbolUse, ...] = ()

    @property
    def resolved(self) -> tuple[SymbolUse, ...]:
        """Return the symbols that the kernel resolves by livepatch relocations."""
        return tuple(symbol for symbol in self.symbols if not symbol.exported)

    @property
    def slots(self) -> tuple[SymbolUse | FunctionPatch, ...]:
        """Return the symbols of a module that are reached through pointers, and replaced functions.

        The functions are included so that a missing one is found before the first pointer is
        written.
        """
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
    """Conversion of all instances of a type in one stop; the names are functions of the author."""

    name: str
    object: str | None
    type: str
    marker: str
    for_each: str
    prepare: str | None  # None: the stop needs no preparation
    check: str | None  # None: every instance can be converted
    forward: str
    reverse: str
    finish: str | None  # None: nothing to free afterwards
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
    """The meaning of the number at the end of a folded stack."""

    SAMPLES = "samples"
    MICROSECONDS = "microseconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Facts about the visits of threads with one name to one function."""

    function: str
    comm: str | None = None  # None: of all threads
    threads: int | None = None  # None: as many as the stacks show
    kthread: bool = False  # kernel threads; only used where there are no stacks
    histogram: Path | None = None  # what funclatency printed
    seconds: float | None = None  # mean length
    per_second: float | None = None  # entries a second, of all these threads together


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Assumptions about the machine, for the simulator."""

    calls: tuple[tuple[str, tuple[str, ...]], ...] = ()  # function, what it calls
    threads: tuple[tuple[str, ...], ...] = ()  # of each the functions, outermost first
    sleeps: tuple[str, ...] = ()  # functions in which threads sleep for as long as they like
    stacks: Path | None = None
    counts: Counts = Counts.SAMPLES
    watched: float | None = None  # seconds that stacks and visits were counted; None: not given
    visits: tuple[Visits, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A valid manifest; its paths are relative to ``folder``."""

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
        """Return the names of the transforms that cannot be reversed."""
        return tuple(entry.name for entry in self.transforms if entry.reverse is None)

    @property
    def module(self) -> str:
        """Return the module's name. It contains the version, so that two versions can be loaded
        together."""
        return module_name(self.name, self.version)
