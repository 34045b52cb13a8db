# SPDX-License-Identifier: MIT
"""plan: makes every decision, each with its reason. After it nothing decides."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from lppack import consistency
from lppack.abi import CLEARS_RELOCATIONS
from lppack.consistency import EngineName, Mode, ModeName
from lppack.document import Document
from lppack.errors import EnvironmentMissing, Level, ManifestError
from lppack.ids import Ids, states_of
from lppack.kernel.config import KernelConfig
from lppack.kernel.facts import Facts
from lppack.model import (
    Decision,
    Fix,
    FunctionPatch,
    InliningCheck,
    Kernel,
    Manifest,
    ObjectPatch,
    Plan,
    SymbolUse,
)
from lppack.packages.linux_source import package_of
from lppack.rules.counted import words_of
from lppack.rules.history import layouts_of
from lppack.rules.inlining import copies_left
from lppack.rules.kernel import kernel_problems
from lppack.rules.needs import plan_problems
from lppack.rules.replaced import copies_of
from lppack.rules.symbols import called_names
from lppack.rules.target import target_problems, unfit

#: A parameter of a module is read through one page.
_INFO_MAX = 4000


def plan(
    document: Document,
    manifest: Manifest,
    kernel: Kernel,
    facts: Facts,
    config: KernelConfig,
    *,
    engine: str = "auto",
    mode: str | None = None,
    test_points: bool = False,
    ids: Ids | None = None,
) -> Plan:
    """Every decision for one patch and one kernel; ``ids`` None: no id is reserved.

    Raises ManifestError (the patch does not fit the kernel, or no mode fits the needs) and
    EnvironmentMissing (the kernel cannot be live patched).
    """
    aimed = tuple(target_problems(document, kernel, config))
    for problem in filter(unfit, aimed):
        raise EnvironmentMissing(problem.message, hint=problem.hint)
    chosen = _mode(document, manifest, mode)
    problems = [
        *aimed,
        *kernel_problems(document, facts),
        *plan_problems(document, chosen, engine, facts),
    ]
    errors = [problem for problem in problems if problem.level is Level.ERROR]
    if errors:
        raise ManifestError(errors)
    moved_by = consistency.engine_for(chosen, engine)
    assert moved_by is not None, "engine_provides_the_mode has refused it"
    called = called_names(document)
    objects = tuple(_with_positions(entry, facts, called) for entry in manifest.objects)
    if chosen.name is ModeName.REFCOUNT:
        objects = tuple(_with_words(entry, facts) for entry in objects)
    vmlinux = next((entry for entry in objects if entry.name is None), None)
    inlining = _inlining(document, objects, facts)
    ids = ids or Ids()
    made = Plan(
        manifest=manifest,
        kernel=kernel,
        engine=moved_by,
        mode=chosen,
        compiler=config.compiler,
        anchor=vmlinux or ObjectPatch(name=None, functions=()),
        modules=tuple(entry for entry in objects if entry.name is not None),
        series_state=ids.series(manifest.name),
        states=states_of(manifest, layouts_of(document), ids),
        transform_states=tuple(
            (t.name, ids.transform(manifest.name, t.name)) for t in manifest.transforms
        ),
        shadows=tuple(
            (var, ids.shadow(manifest.name, var.name, var.version))
            for var in manifest.shadow_variables
        ),
        info="",
        decisions=(),
        inlining=InliningCheck(inlining.value),
        clears_relocations=moved_by is EngineName.LIVEPATCH
        and bool(facts.copies(CLEARS_RELOCATIONS)),
        test_points=test_points,
    )
    _told_apart(document, made)
    info = info_json(made)
    if len(info) > _INFO_MAX:
        raise ManifestError(
            [document.problem(("fixes",), "fixes-fit-a-page", "fixes do not fit one page of sysfs")]
        )
    return replace(made, info=info, decisions=(*_decisions(made, asked=mode), inlining))


def _mode(document: Document, manifest: Manifest, asked: str | None) -> Mode:
    if asked is None:
        if manifest.mode is None:
            return consistency.weakest(manifest.needs)
        return consistency.mode_named(manifest.mode)
    chosen = consistency.mode_named(ModeName(asked))
    if not chosen.covers(manifest.needs):
        raise ManifestError(
            [
                document.problem(
                    ("needs",),
                    "mode-covers-the-needs",
                    f"--mode {asked} gives {chosen.leave.name} {chosen.switch.name}, "
                    "less than is needed",
                    hint=f"leave --mode out, or use {consistency.weakest(manifest.needs).name}",
                )
            ]
        )
    return chosen


def _told_apart(document: Document, made: Plan) -> None:
    """The kernel finds states and shadow variables by number alone. Raises ManifestError."""
    states = [state.id for state in made.states]
    shadows = [id_ for _, id_ in made.shadows]
    for numbers in (states, shadows):
        if twice := sorted({f"{number:#x}" for number in numbers if numbers.count(number) > 1}):
            raise ManifestError(
                [
                    document.problem(
                        (),
                        "ids-are-told-apart",
                        f"two things have the id {', '.join(twice)}",
                        hint="see `lppack ids list`; one of them is in the id file, or in `states`",
                    )
                ]
            )


def _with_positions(entry: ObjectPatch, facts: Facts, called: Collection[str]) -> ObjectPatch:
    return replace(
        entry,
        functions=tuple(
            replace(function, sympos=_position(entry.name, function.old, function.sympos, facts))
            for function in entry.functions
        ),
        symbols=tuple(
            replace(
                symbol,
                sympos=_position(home, symbol.name, symbol.sympos, facts),
                exported=home is None and _is_exported(symbol, facts),
                callable=home is not None and _is_function(home, symbol, facts, called),
            )
            for symbol in entry.symbols
            for home in [symbol.module or entry.name]
        ),
    )


def _with_words(entry: ObjectPatch, facts: Facts) -> ObjectPatch:
    def counted(function: FunctionPatch) -> FunctionPatch:
        found = words_of(facts, entry.name, function.old)
        assert isinstance(found, int), "counted_functions_can_be_wrapped has refused it"
        return replace(function, words=found)

    return replace(entry, functions=tuple(counted(function) for function in entry.functions))


def _is_function(object_: str, symbol: SymbolUse, facts: Facts, called: Collection[str]) -> bool:
    """As the module has it; of a test target, which is not built yet, as the sources use it."""
    copies = copies_of(facts, object_, symbol.name)
    if copies is None:
        return symbol.c_name in called
    return copies[(symbol.sympos or 1) - 1].type in "tT"


def _is_exported(symbol: SymbolUse, facts: Facts) -> bool:
    export = facts.exported(symbol.name)
    plain = symbol.c_name == symbol.name and symbol.sympos is None
    return plain and export is not None and export.module is None


def _position(object_: str | None, name: str, sympos: int | None, facts: Facts) -> int:
    """0 lets the kernel insist that there is one (klp_find_object_symbol)."""
    copies = copies_of(facts, object_ or "vmlinux", name)
    if sympos is None or (copies is not None and len(copies) == 1):
        return 0
    return sympos


def _inlining(document: Document, objects: Sequence[ObjectPatch], facts: Facts) -> Decision:
    modules = [entry.name for entry in objects if entry.name is not None]
    if modules:
        value, why = InliningCheck.UNCHECKED, "the debug files of modules are not read"
        why += f" ({', '.join(modules)}): their callers may hold copies of the old code"
    elif facts.inlining is None:
        value, why = InliningCheck.UNCHECKED, "callers may hold copies of the old code: ask --deep"
    else:
        value, why = InliningCheck.CHECKED, "no copy of the old code is left in a caller"
        left = [f"{name} in {', '.join(where)}" for name, where in copies_left(document, facts)]
        if left:
            why = f"copies of the old code are left: {'; '.join(left)}"
    return Decision(what="inlining", value=value.value, why=why)


def _how_resolved(symbol: SymbolUse, *, module: bool) -> str:
    if symbol.exported:
        return "this kernel exports it: an ordinary symbol, with its checksum"
    of = f"position {symbol.sympos} of several" if symbol.sympos else "the only one"
    if not module:
        return f"{of} of that name; the kernel finds it when the patch is loaded"
    kind = "a function, called by a stub" if symbol.callable else "data, reached by a pointer"
    where = f" of {symbol.module}, which is there before it" if symbol.module else ""
    return f"{kind}; {of} of that name{where}, found whenever the module is there"


def info_json(made: Plan) -> str:
    """What the module tells of itself, so that status needs no file on disk."""
    return json.dumps(
        {
            "series": made.name,
            "version": made.version,
            "engine": made.engine,
            "mode": made.mode.name,
            "replaces": list(made.manifest.replaces),
            "transforms": [transform.name for transform in made.manifest.transforms],
            "world": [transform.name for transform in made.manifest.world],
            "fixes": [fix_json(fix) for fix in made.manifest.fixes],
            "irreversible": False,
            "inlining": made.inlining,
            "release": made.kernel.release,
            "kernel": made.kernel.version,
        },
        separators=(",", ":"),
    )


def fix_json(fix: Fix) -> dict[str, object]:
    return {
        "cve": fix.cve,
        "commit": fix.commit,
        "functions": list(fix.functions),
        "effective": fix.effective.value,
    }


def _decisions(made: Plan, *, asked: str | None) -> Iterator[Decision]:
    manifest = made.manifest
    needs = f"{manifest.needs.leave.name} {manifest.needs.switch.name}"
    yield Decision(what="kernel", value=made.kernel.release, why=f"exactly {made.kernel.version}")
    if asked or manifest.mode:
        why = f"asked for {'with --mode' if asked else 'in the manifest'}; it covers {needs}"
    else:
        why = f"the weakest mode that covers {needs}: {made.mode.summary}"
    yield Decision(what="mode", value=made.mode.name, why=why)
    own = made.engine is EngineName.LIVEPATCH
    yield Decision(
        what="engine",
        value=made.engine,
        why=f"{'the kernel' if own else 'lppack'}'s own engine gives {made.mode.name}",
    )
    yield Decision(
        what="user threads",
        value=f"{made.mode.leave.name} {made.mode.switch.name}",
        why="what the mode gives them",
    )
    yield Decision(
        what="kernel threads",
        value=f"{made.mode.kthread.name} {made.mode.switch.name}",
        why="what the mode gives them"
        if made.mode.kthread is made.mode.leave
        else "they never leave the kernel, so their stacks are checked instead",
    )
    yield Decision(
        what="module", value=made.module, why="versions of a series can be loaded side by side"
    )
    yield Decision(
        what="compiler", value=made.compiler, why="the kernel's configuration was made with it"
    )
    for entry in (made.anchor, *made.modules):
        for function in entry.functions:
            where = f"{entry.name or 'vmlinux'}:{function.old}"
            if entry.name in manifest.test.targets:
                why = "checked when the test target is built"
            elif function.sympos:
                why = f"position {function.sympos} of several of that name"
            else:
                why = "the only one of that name, and traceable"
            yield Decision(what=f"replace {where}", value=function.new, why=why)
            if function.words:
                yield Decision(
                    what=f"count {where}",
                    value=f"{function.words} words",
                    why="its wrapper hands on so much of the arguments, and counts the visit",
                )
    for entry in made.patched:
        for symbol in entry.symbols:
            yield Decision(
                what=f"symbol {entry.name or 'vmlinux'}:{symbol.name}",
                value=symbol.c_name,
                why=_how_resolved(symbol, module=entry.name is not None),
            )
    if made.with_slots:
        yield Decision(
            what="slots",
            value="cleared by the kernel" if made.clears_relocations else "cleared by the glue",
            why="what is written for a module must be gone before it is loaded again",
        )
    if made.anchor.functions == ():
        yield Decision(
            what="anchor",
            value="vmlinux",
            why="callbacks of an object that is not loaded do not run; vmlinux always is",
        )
    if manifest.kernel_headers:
        yield Decision(
            what="private headers",
            value=", ".join(manifest.kernel_headers),
            why=f"from {package_of(made.kernel)}, the sources of this very kernel",
        )
    if made.replace:
        yield Decision(
            what="replaces",
            value=", ".join(manifest.replaces),
            why="cumulative: the kernel removes every other live patch, so all have to be named",
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
            value=f"in the stop, {world.max_stop_ms} ms at most",
            why="all instances are counted in a stop before the transition, and it is refused if "
            "that takes too long; in the stop that flips all are converted, or none",
        )
    yield Decision(
        what="phase 2",
        value="convert" if made.converts else "none",
        why="new code converts what it touches once every thread has switched"
        if made.converts
        else "TRANSFORM_WORLD: the data is converted in the stop that flips"
        if manifest.world
        else "the patch has no data to convert",
    )
