# SPDX-License-Identifier: MIT
"""The decisions of plan: each function makes one, and returns it with its reason."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from lppack import abi, consistency
from lppack.abi import CLEARS_RELOCATIONS
from lppack.consistency import MODES, EngineName, Mode, ModeName
from lppack.distributions import open_distribution
from lppack.document import Document
from lppack.errors import Level, ManifestError
from lppack.kernel.facts import Facts
from lppack.model import (
    Decision,
    InliningCheck,
    Kernel,
    Manifest,
    ObjectPatch,
    Plan,
    SymbolUse,
)
from lppack.rules.counted import words_of
from lppack.rules.inlining import copies_left
from lppack.rules.registry import PLAN, ask
from lppack.rules.replaced import copies_of


def mode_for(document: Document, manifest: Manifest, asked: str | None) -> tuple[Mode, Decision]:
    """Return the mode that ``asked`` or the manifest names, or else the weakest that covers the
    needs.

    Raise ManifestError if ``asked`` does not cover the needs; a rule checks the manifest's mode.
    """
    needs = f"{manifest.needs.leave.name} {manifest.needs.switch.name}"
    named = ModeName(asked) if asked is not None else manifest.mode
    if named is None:
        chosen = consistency.weakest(manifest.needs)
        weaker = any(m.covers(manifest.needs) for m in MODES[: MODES.index(chosen)])
        taken = "the weakest default mode" if weaker else "the weakest mode"
        why = f"{taken} that covers {needs}: {chosen.summary}"
        return chosen, Decision(what="mode", value=chosen.name, why=why)
    chosen = consistency.mode_named(named)
    if asked is not None and not chosen.covers(manifest.needs):
        raise ManifestError(
            [
                document.problem(
                    ("needs",),
                    "mode-covers-the-needs",
                    f"--mode {asked} gives {chosen.leave.name} {chosen.switch.name}, "
                    "less than the needs",
                    hint=f"leave --mode out, or use {consistency.weakest(manifest.needs).name}",
                )
            ]
        )
    where = "in the manifest" if asked is None else "with --mode"
    why = f"requested {where}; it covers {needs}"
    return chosen, Decision(what="mode", value=chosen.name, why=why)


def threads_of(mode: Mode) -> Iterator[Decision]:
    """Yield the LEAVE flags that user threads and kernel threads get."""
    yield Decision(
        what="user threads",
        value=f"{mode.leave.name} {mode.switch.name}",
        why="the mode gives it",
    )
    yield Decision(
        what="kernel threads",
        value=f"{mode.kthread.name} {mode.switch.name}",
        why="the mode gives it"
        if mode.kthread is mode.leave
        else "they never leave the kernel, so their stacks are checked instead",
    )


def engine_for(
    document: Document, mode: Mode, asked: str, facts: Facts, *, mixes: bool
) -> tuple[EngineName, Decision] | None:
    """Return the engine; None if ``asked`` does not give the mode (a rule reports that).

    ``mixes``: kernel code is preempted, so the livepatch engine may mix old and new functions.
    """
    if asked == "auto" and mixes and _is_ours_to_have(document, mode, facts):
        asked = EngineName.CONSISTENCY
    chosen = consistency.engine_for(mode, asked)
    if chosen is None:
        return None
    own = chosen is EngineName.LIVEPATCH
    why = f"{'the kernel' if own else 'lppack'}'s own engine gives {mode.name}"
    if mixes and not own and EngineName.LIVEPATCH in mode.engines:
        why += ", also where kernel code is preempted, as here"
    if not own and not facts.release.startswith(abi.KERNELS_BY_AUTO):
        why += "; on this kernel series only some of its modes and loads were tested"
    return chosen, Decision(what="engine", value=chosen, why=why)


def _is_ours_to_have(document: Document, mode: Mode, facts: Facts) -> bool:
    """Return True if lppack's own engine can be used for this patch and kernel, and was tested on
    that kernel in all modes: see `abi.KERNELS_BY_AUTO`."""
    ours: str = EngineName.CONSISTENCY
    return (
        ours in consistency.engines_of(mode)
        and facts.release.startswith(abi.KERNELS_BY_AUTO)
        and not any(
            problem.level is Level.ERROR for problem in ask(PLAN, document, mode, ours, facts)
        )
    )


def functions_of(
    entry: ObjectPatch, facts: Facts, *, counted: bool
) -> tuple[ObjectPatch, list[Decision]]:
    """Decide which function each entry replaces; ``counted``: also the number of its argument
    words."""
    functions, taken = [], []
    for function in entry.functions:
        where = f"{entry.name or 'vmlinux'}:{function.old}"
        copies = copies_of(facts, entry.name or "vmlinux", function.old)
        sympos = _position(copies, function.sympos)
        if copies is None:
            why = "checked when the test target is built"
        elif sympos:
            why = f"position {sympos} of several of that name"
        else:
            why = "the only one of that name, and traceable"
        taken.append(Decision(what=f"replace {where}", value=function.new, why=why))
        function = replace(function, sympos=sympos)
        if counted:
            words = words_of(facts, entry.name, function.old)
            assert isinstance(words, int), "counted_functions_can_be_wrapped has refused it"
            function = replace(function, words=words)
            taken.append(
                Decision(
                    what=f"count {where}",
                    value=f"{words} words",
                    why="its wrapper passes on these arguments, and counts the visit",
                )
            )
        functions.append(function)
    return replace(entry, functions=tuple(functions)), taken


def symbols_of(
    entry: ObjectPatch, facts: Facts, called: Collection[str]
) -> tuple[ObjectPatch, list[Decision]]:
    """Decide how each symbol is found; ``called``: names that the sources call."""
    symbols, taken = [], []
    for symbol in entry.symbols:
        settled, why = _symbol(entry, symbol, facts, called)
        symbols.append(settled)
        what = f"symbol {entry.name or 'vmlinux'}:{symbol.name}"
        taken.append(Decision(what=what, value=settled.c_name, why=why))
    return replace(entry, symbols=tuple(symbols)), taken


def _symbol(
    entry: ObjectPatch, symbol: SymbolUse, facts: Facts, called: Collection[str]
) -> tuple[SymbolUse, str]:
    home = symbol.module or entry.name
    copies = copies_of(facts, home or "vmlinux", symbol.name)
    settled = replace(symbol, sympos=_position(copies, symbol.sympos))
    if home is None and _is_exported(symbol, facts):
        why = "this kernel exports it: an ordinary symbol, with its checksum"
        return replace(settled, exported=True), why
    of = f"position {settled.sympos} of several" if settled.sympos else "the only one"
    if home is None:
        return settled, f"{of} of that name; the kernel finds it when the patch is loaded"
    # A test target is not built yet, so the kind of a symbol comes from its use in the sources.
    is_function = (
        symbol.c_name in called if copies is None else copies[(symbol.sympos or 1) - 1].type in "tT"
    )
    kind = "a function, called by a stub" if is_function else "data, reached by a pointer"
    where = f" of {symbol.module}, which is loaded before the object" if symbol.module else ""
    why = f"{kind}; {of} of that name{where}, found when the module is loaded"
    return replace(settled, callable=is_function), why


def _position(copies: Sequence[object] | None, sympos: int | None) -> int:
    """Return the sympos; 0 makes the kernel require a unique name (klp_find_object_symbol)."""
    if sympos is None or (copies is not None and len(copies) == 1):
        return 0
    return sympos


def _is_exported(symbol: SymbolUse, facts: Facts) -> bool:
    export = facts.exported(symbol.name)
    plain = symbol.c_name == symbol.name and symbol.sympos is None
    return plain and export is not None and export.module is None


def clearing_of(
    objects: Sequence[ObjectPatch], engine: EngineName, facts: Facts
) -> tuple[bool, list[Decision]]:
    """Decide who clears relocations when a patched module is unloaded: the kernel or generated
    code."""
    clears = engine is EngineName.LIVEPATCH and bool(facts.copies(CLEARS_RELOCATIONS))
    if not any(entry.slots for entry in objects):
        return clears, []
    value = "cleared by the kernel" if clears else "cleared by generated code"
    why = "relocations for a module must be cleared before it is loaded again"
    return clears, [Decision(what="slots", value=value, why=why)]


def objects_of(manifest: Manifest) -> tuple[tuple[ObjectPatch, ...], list[Decision]]:
    """Return the objects of a patch: vmlinux first, then the modules.

    Each patch has vmlinux, even if it replaces no function there.
    """
    anchor = next((entry for entry in manifest.objects if entry.name is None), None)
    anchor = anchor or ObjectPatch(name=None, functions=())
    objects = (anchor, *(entry for entry in manifest.objects if entry.name is not None))
    if anchor.functions:
        return objects, []
    why = "callbacks of an object that is not loaded do not run; vmlinux always is"
    return objects, [Decision(what="anchor", value="vmlinux", why=why)]


def inlining_of(
    document: Document, objects: Sequence[ObjectPatch], facts: Facts
) -> tuple[InliningCheck, Decision]:
    """Return whether callers were checked for inlined copies of the old code, and the copies
    found."""
    modules = [entry.name for entry in objects if entry.name is not None]
    if modules:
        value, why = InliningCheck.UNCHECKED, "debug files of modules are not read"
        why += (
            f" ({', '.join(modules)}): callers in them may contain inlined copies of the old code"
        )
    elif facts.inlining is None:
        value, why = (
            InliningCheck.UNCHECKED,
            "callers may contain inlined copies of the old code: use --deep",
        )
    else:
        value, why = InliningCheck.CHECKED, "no caller contains an inlined copy of the old code"
        left = [f"{name} in {', '.join(where)}" for name, where in copies_left(document, facts)]
        if left:
            why = f"inlined copies of the old code remain: {'; '.join(left)}"
    return value, Decision(what="inlining", value=value.value, why=why)


def of_the_kernel(kernel: Kernel) -> Decision:
    return Decision(what="kernel", value=kernel.release, why=f"exactly {kernel.version}")


def of_the_module(module: str, compiler: str) -> Iterator[Decision]:
    """Yield the module's name and its compiler, which follow from the patch and the kernel."""
    yield Decision(
        what="module", value=module, why="versions of a series can be loaded side by side"
    )
    yield Decision(what="compiler", value=compiler, why="the kernel was configured with it")


def of_the_manifest(made: Plan) -> Iterator[Decision]:
    """Yield the author's decisions in the manifest, and their effect on a kernel."""
    manifest = made.manifest
    if manifest.kernel_headers:
        package = open_distribution().sources.package_of(made.kernel)
        yield Decision(
            what="private headers",
            value=", ".join(manifest.kernel_headers),
            why=f"from {package}, the sources of this kernel",
        )
    if made.replace:
        yield Decision(
            what="replaces",
            value=", ".join(manifest.replaces),
            why="cumulative: the kernel removes every other live patch, so the manifest "
            "must name all of them",
        )
    for state in made.states:
        yield Decision(
            what=f"state {state.what}",
            value=f"{state.id:#x} version {state.version}",
            why="the kernel refuses a replacing patch that lacks it, and an older version",
        )
    for entry in made.patched:
        for step, name in (*entry.hooks.of_the_kernel, ("barrier", entry.hooks.barrier)):
            if name:
                yield Decision(
                    what=f"{step} {entry.name or 'vmlinux'}", value=name, why="the author's hook"
                )
    for var, id_ in made.shadows:
        yield Decision(
            what=f"shadow {var.name} {var.version}",
            value=f"{id_:#x}",
            why="a new layout is a new version and id",
        )
    for world in manifest.world:
        yield Decision(
            what=f"transform {world.name}",
            value=f"in the stop, at most {world.max_stop_ms} ms",
            why="a stop before the transition counts all instances, and the patch is "
            "refused if that takes too long; the stop that switches the kernel converts "
            "all of them, or none",
        )
    for name in manifest.irreversible:
        yield Decision(
            what=f"transform {name}",
            value="irreversible",
            why="converted data stays converted, and revert is refused from then on",
        )
    yield Decision(
        what="phase 2",
        value="convert" if made.converts else "none",
        why="new code converts the data that it touches, once every thread has switched"
        if made.converts
        else "TRANSFORM_WORLD: all data is converted in the stop that switches the kernel"
        if manifest.world
        else "the patch has no data to convert",
    )
