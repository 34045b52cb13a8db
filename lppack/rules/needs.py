# SPDX-License-Identifier: MIT
"""Rules of declared consistency: flags, modes, and the keys that they require."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lppack import consistency
from lppack.document import Document
from lppack.rules.registry import MANIFEST, PLAN, rule
from lppack.rules.runner import Fault, safe

if TYPE_CHECKING:
    from lppack.kernel.facts import Facts


@rule(needs=MANIFEST, sources=(23,))
def needs_name_each_axis_once(document: Document) -> Iterator[Fault]:
    """`needs` has exactly one LEAVE flag, one SWITCH flag, and at most one TRANSFORM flag.

    Needs are a minimum: lppack takes the weakest mode that gives at least that.
    """
    if not isinstance(document.at("needs"), list):
        return
    for axis, wanted in (("LEAVE_", True), ("SWITCH_", True), ("TRANSFORM_", False)):
        given = [(p, text) for p, text in document.strings("needs") if text.startswith(axis)]
        if wanted and not given:
            yield Fault(("needs",), f"names no {axis}… flag", f"see: lppack explain {axis[:-1]}")
        for pointer, text in given[1:]:
            yield Fault(
                pointer,
                f"{safe(text)} conflicts with {safe(given[0][1])}",
                "keep the stronger one",
            )


def parse_needs(words: list[str]) -> consistency.Needs | None:
    """Return the flags as Needs; None if there is not exactly one flag for each axis."""
    leave = [consistency.Leave[w] for w in words if w in consistency.Leave.__members__]
    switch = [consistency.Switch[w] for w in words if w in consistency.Switch.__members__]
    transform = [consistency.Transform[w] for w in words if w in consistency.Transform.__members__]
    if len(leave) != 1 or len(switch) != 1 or len(transform) > 1:
        return None
    method = transform[0] if transform else consistency.Transform.NONE
    return consistency.Needs(leave=leave[0], switch=switch[0], transform=method)


def _needs(document: Document) -> consistency.Needs | None:
    return parse_needs([text for _, text in document.strings("needs")])


@rule(needs=MANIFEST, sources=(27,))
def needs_agree(document: Document) -> Iterator[Fault]:
    """The TRANSFORM flag is compatible with the other flags.

    TRANSFORM_WORLD needs SWITCH_KERNEL and more than LEAVE_FUNCTION; TRANSFORM_ON_ACCESS needs
    more than LEAVE_FUNCTION. lppack does not choose stronger flags by itself, because that would
    hide the author's mistake.
    """
    needs = _needs(document)
    reason = consistency.refusal(needs) if needs else None
    if reason:
        yield Fault(("needs",), reason)


@rule(needs=MANIFEST)
def mode_covers_the_needs(document: Document) -> Iterator[Fault]:
    """A requested mode must give at least what the patch needs."""
    needs, mode = _needs(document), document.text("mode")
    if needs and mode in set(consistency.ModeName):
        chosen = consistency.mode_named(consistency.ModeName(mode))
        if not chosen.covers(needs):
            yield Fault(
                ("mode",),
                f"{mode} gives only {chosen.leave.name} {chosen.switch.name}, less than the needs",
                f'leave "mode" out, or use "{consistency.weakest(needs).name.value}"',
            )


@rule(needs=MANIFEST, sources=(28,))
def transforms_are_declared(document: Document) -> Iterator[Fault]:
    """A TRANSFORM flag and `transforms` require each other."""
    needs = _needs(document)
    if needs is None:
        return
    asked = needs.transform is not consistency.Transform.NONE
    if asked and not document.at("transforms"):
        yield Fault(
            ("needs",), f'{needs.transform.name} is declared, but there are no "transforms"'
        )
    elif document.at("transforms") and not asked:
        yield Fault(
            ("transforms",),
            'there are "transforms", but "needs" has no TRANSFORM flag',
            'add TRANSFORM_ON_ACCESS or TRANSFORM_WORLD to "needs"',
        )


#: The keys that a transform of each kind must have.
_ACCESS: tuple[str, ...] = ("lock", "context")
_WORLD: tuple[str, ...] = ("for_each", "max_stop_ms")


@rule(needs=MANIFEST)
def transforms_are_of_one_kind(document: Document) -> Iterator[Fault]:
    """A transform has the keys of its TRANSFORM flag, and none of the other flag.

    TRANSFORM_ON_ACCESS: `lock`, `context`, and shadow variables. TRANSFORM_WORLD: `for_each`,
    `max_stop_ms`, optionally `prepare`, `check`, `finish`; no lock, because all other code is
    stopped. Also `reverse`: if one instance cannot be transformed, the stop reverses the instances
    before it.
    """
    needs = _needs(document)
    if needs is None or needs.transform is consistency.Transform.NONE:
        return
    flag, wanted, foreign = needs.transform.name, _ACCESS, (*_WORLD, "prepare", "check", "finish")
    other = "TRANSFORM_WORLD"
    if needs.transform is consistency.Transform.TRANSFORM_WORLD:
        wanted, foreign, other = _WORLD, _ACCESS, "TRANSFORM_ON_ACCESS"
        for pointer, entry in document.mappings("transforms"):
            if "irreversible" in entry:
                yield Fault(
                    (*pointer, "irreversible"),
                    f'"irreversible" is for {other}',
                    "add reverse: if one instance cannot be transformed, the stop reverses "
                    "the instances before it",
                )
        for pointer, _ in document.mappings("shadow_variables"):
            yield Fault(
                pointer,
                f"shadow variables are for {other}",
                "let forward replace the old instance by a larger one",
            )
    for pointer, entry in document.mappings("transforms"):
        for key in wanted:
            if key not in entry:
                yield Fault(pointer, f'has no "{key}", which {flag} needs')
        for key in foreign:
            if key in entry:
                yield Fault((*pointer, key), f'"{key}" is for {other}', "leave it out")


@rule(needs=MANIFEST)
def kernel_threads_are_spoken_for(document: Document) -> Iterator[Fault]:
    """LEAVE_KERNEL requires `kthreads: patched-set`.

    Kernel threads and io workers never leave the kernel. Every mode switches them after a check of
    their stacks, which gives LEAVE_PATCHED_SET. The author must declare that this is enough.
    """
    needs = _needs(document)
    if needs and needs.leave is consistency.Leave.LEAVE_KERNEL and not document.at("kthreads"):
        yield Fault(
            ("needs",),
            "LEAVE_KERNEL is not possible for kernel threads, which never leave the kernel",
            'if LEAVE_PATCHED_SET is enough for them, add "kthreads: patched-set"',
        )


@rule(needs=MANIFEST, sources=(26,))
def interdependent_functions_switch_together(document: Document) -> Iterator[Fault]:
    """Functions that must not mix need LEAVE_PATCHED_SET and SWITCH_THREAD, or more.

    With weaker flags, one visit of a thread could call the old version of one function and the new
    version of another.
    """
    needs = _needs(document)
    if needs is None or not document.at("interdependent"):
        return
    weak = [
        flag.name
        for flag, least in (
            (needs.leave, consistency.Leave.LEAVE_PATCHED_SET),
            (needs.switch, consistency.Switch.SWITCH_THREAD),
        )
        if flag.value < least.value
    ]
    if weak:
        yield Fault(
            ("interdependent",),
            f"{' and '.join(weak)} would let them mix",
            "declare LEAVE_PATCHED_SET and SWITCH_THREAD at least",
        )


@rule(needs=MANIFEST)
def interdependent_functions_are_replaced(document: Document) -> Iterator[Fault]:
    """Each function in `interdependent` is replaced: others cannot mix."""
    replaced = {
        item.get("old")
        for pointer, _ in document.mappings("objects")
        for _, item in document.mappings(*pointer, "functions")
        if isinstance(item.get("old"), str)
    }
    value = document.at("interdependent")
    for index in range(len(value) if isinstance(value, list) else 0):
        for pointer, name in document.strings("interdependent", index):
            if name not in replaced:
                yield Fault(pointer, f'"{safe(name)}" is not replaced by this patch')


@rule(needs=PLAN, sources=(24,))
def engine_provides_the_mode(
    document: Document, mode: consistency.Mode, engine: str, facts: "Facts"
) -> Iterator[Fault]:
    """The engine that moves the threads gives the mode, on both axes.

    The kernel's own engine gives LEAVE_PATCHED_SET SWITCH_THREAD (klp_check_stack_func() and
    klp_try_switch_task(), kernel/livepatch/transition.c), lppack_engine.ko gives the others.
    Checked by `plan`, which selects the engine and the mode.
    """
    pointer = ("mode",) if document.at("mode") else ("needs",)
    able = consistency.engines_of(mode)
    if engine not in ("auto", *able):
        yield Fault(
            pointer,
            f"engine {engine} does not give mode {mode.name}; {' and '.join(able)} "
            f"{'does' if len(able) == 1 else 'do'}",
            "omit --engine",
        )


@rule(needs=PLAN)
def cumulative_patches_are_the_kernels(
    document: Document, mode: consistency.Mode, engine: str, facts: "Facts"
) -> Iterator[Fault]:
    """`replaces` and `states` need the livepatch engine, which can replace one patch by another.

    lppack_engine.ko cannot: revert the first patch, then apply the second.
    """
    for key in ("replaces", "states"):
        if document.at(key) and consistency.engine_for(mode, engine) != "livepatch":
            yield Fault(
                (key,),
                f'"{key}" needs the livepatch engine, but mode {mode.name} needs lppack_engine.ko',
                "use mode hybrid and omit --engine",
            )
