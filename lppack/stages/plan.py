# SPDX-License-Identifier: MIT
"""plan: makes every decision, each with its reason. After it nothing decides."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from lppack import consistency
from lppack.abi import CLEARS_RELOCATIONS
from lppack.consistency import EngineName, Mode, ModeName
from lppack.document import Document
from lppack.errors import EnvironmentMissing, Level, ManifestError, Problem
from lppack.ids import Ids, states_of
from lppack.kernel.config import KernelConfig
from lppack.kernel.exiting import exit_list
from lppack.kernel.facts import Facts
from lppack.model import (
    Completeness,
    Decision,
    FunctionPatch,
    InliningCheck,
    Kernel,
    Manifest,
    ObjectPatch,
    Plan,
    SymbolUse,
)
from lppack.model.plan import info_json
from lppack.rules.counted import words_of
from lppack.rules.history import layouts_of
from lppack.rules.inlining import copies_left
from lppack.rules.registry import CONFIG, ENVIRONMENT, FACTS, PLAN, ask
from lppack.rules.replaced import copies_of
from lppack.rules.runner import rule_id
from lppack.rules.symbols import called_names
from lppack.rules.target import threads_are_not_preempted_in_kernel_code as preempted
from lppack.stages.decisions import decisions

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
    complete: Completeness = Completeness.NOT_CHECKED,
    doubts: Sequence[str] = (),
    warnings: Sequence[Problem] = (),
) -> Plan:
    """Every decision for one patch and one kernel; ``ids`` None: no id is reserved.

    ``warnings``: of the manifest and its sources; those about the kernel are added.

    Raise ManifestError (the patch does not fit the kernel, or no mode fits the needs) and
    EnvironmentMissing (the kernel cannot be live patched).
    """
    for problem in ask(ENVIRONMENT, document, kernel, config):
        raise EnvironmentMissing(problem.message, hint=problem.hint)
    aimed = tuple(ask(CONFIG, document, kernel, config))
    chosen = _mode(document, manifest, mode)
    mixes = any(problem.rule == rule_id(preempted) for problem in aimed)
    if engine == "auto" and mixes and _is_ours_to_have(document, chosen, facts):
        engine = EngineName.CONSISTENCY
    moved_by = consistency.engine_for(chosen, engine)
    problems = [
        *(
            problem
            for problem in aimed
            if moved_by is not EngineName.CONSISTENCY or problem.rule != rule_id(preempted)
        ),
        *ask(FACTS, document, facts),
        *ask(PLAN, document, chosen, engine, facts),
    ]
    errors = [problem for problem in problems if problem.level is Level.ERROR]
    if errors:
        raise ManifestError(errors)
    assert moved_by is not None, "engine_provides_the_mode has refused it"
    called = called_names(document)
    objects = tuple(_with_positions(entry, facts, called) for entry in manifest.objects)
    if chosen.counts:
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
        complete=complete,
        doubts=tuple(doubts),
        warnings=tuple(sorted({*warnings, *problems}, key=lambda problem: problem.sort_key)),
        inlining=InliningCheck(inlining.value),
        exit_list=exit_list(facts),
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
    return replace(made, info=info, decisions=(*decisions(made, asked=mode, mixes=mixes), inlining))


def _is_ours_to_have(document: Document, mode: Mode, facts: Facts) -> bool:
    """Return whether nothing is against lppack's own engine for this patch and kernel."""
    ours: str = EngineName.CONSISTENCY
    return ours in consistency.engines_of(mode) and not any(
        problem.level is Level.ERROR for problem in ask(PLAN, document, mode, ours, facts)
    )


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
    """Raise ManifestError if two ids are one: the kernel finds states and shadow variables by
    number alone."""
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
