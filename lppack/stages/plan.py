# SPDX-License-Identifier: MIT
"""plan: make every decision, each with its reason. Later stages decide nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lppack.consistency import EngineName
from lppack.document import Document
from lppack.errors import EnvironmentMissing, Level, ManifestError, Problem
from lppack.ids import Ids, states_of
from lppack.kernel.config import KernelConfig
from lppack.kernel.exiting import exit_list
from lppack.kernel.facts import Facts
from lppack.model import Completeness, Decision, Kernel, Manifest, ObjectPatch, Plan
from lppack.model.plan import info_json
from lppack.rules.history import layouts_of
from lppack.rules.registry import CONFIG, ENVIRONMENT, FACTS, PLAN, ask
from lppack.rules.runner import rule_id
from lppack.rules.symbols import called_names
from lppack.rules.target import threads_are_not_preempted_in_kernel_code as preempted
from lppack.stages import decisions

#: Limit in bytes: sysfs shows a module parameter in one page.
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
    """Return every decision for one patch and one kernel; ``ids``: None if no id is reserved.

    ``warnings``: problems of the manifest and its sources; plan adds those about the kernel.

    Raise ManifestError (the patch does not fit the kernel, or no mode fits the needs) and
    EnvironmentMissing (the kernel cannot be live patched).
    """
    for problem in ask(ENVIRONMENT, document, kernel, config):
        raise EnvironmentMissing(problem.message, hint=problem.hint)
    aimed = tuple(ask(CONFIG, document, kernel, config))
    chosen, why_mode = decisions.mode_for(document, manifest, mode)
    mixes = any(problem.rule == rule_id(preempted) for problem in aimed)
    moved = decisions.engine_for(document, chosen, engine, facts, mixes=mixes)
    ours = moved is not None and moved[0] is EngineName.CONSISTENCY
    problems = [
        *(problem for problem in aimed if not ours or problem.rule != rule_id(preempted)),
        *ask(FACTS, document, facts),
        *ask(PLAN, document, chosen, moved[0] if moved else engine, facts),
    ]
    errors = [problem for problem in problems if problem.level is Level.ERROR]
    if errors:
        raise ManifestError(errors)
    assert moved is not None, "engine_provides_the_mode has refused it"
    moved_by, why_engine = moved
    objects, why_anchor = decisions.objects_of(manifest)
    objects, why_functions = _each(
        decisions.functions_of(entry, facts, counted=chosen.counts) for entry in objects
    )
    called = called_names(document)
    objects, why_symbols = _each(decisions.symbols_of(entry, facts, called) for entry in objects)
    clears, why_slots = decisions.clearing_of(objects, moved_by, facts)
    inlining, why_inlining = decisions.inlining_of(document, objects, facts)
    ids = ids or Ids()
    made = Plan(
        manifest=manifest,
        kernel=kernel,
        engine=moved_by,
        mode=chosen,
        compiler=config.compiler,
        anchor=objects[0],
        modules=objects[1:],
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
        inlining=inlining,
        exit_list=exit_list(facts),
        clears_relocations=clears,
        test_points=test_points,
    )
    _told_apart(document, made)
    info = info_json(made)
    if len(info) > _INFO_MAX:
        raise ManifestError(
            [document.problem(("fixes",), "fixes-fit-a-page", "fixes do not fit one page of sysfs")]
        )
    taken = (
        decisions.of_the_kernel(kernel),
        why_mode,
        why_engine,
        *decisions.threads_of(chosen),
        *decisions.of_the_module(made.module, made.compiler),
        *why_functions,
        *why_symbols,
        *why_slots,
        *why_anchor,
        *decisions.of_the_manifest(made),
        why_inlining,
    )
    return replace(made, info=info, decisions=taken)


def _each(
    settled: Iterable[tuple[ObjectPatch, Sequence[Decision]]],
) -> tuple[tuple[ObjectPatch, ...], list[Decision]]:
    objects, taken = zip(*settled, strict=True)
    return objects, [decision for some in taken for decision in some]


def _told_apart(document: Document, made: Plan) -> None:
    """Raise ManifestError if two ids are equal: the kernel finds states and shadow variables by
    id."""
    states = [state.id for state in made.states]
    shadows = [id_ for _, id_ in made.shadows]
    for numbers in (states, shadows):
        if twice := sorted({f"{number:#x}" for number in numbers if numbers.count(number) > 1}):
            raise ManifestError(
                [
                    document.problem(
                        (),
                        "ids-are-told-apart",
                        f"the same id is used twice: {', '.join(twice)}",
                        hint="see `lppack ids list`; one of them is in the id file, or in `states`",
                    )
                ]
            )
