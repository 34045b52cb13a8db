# SPDX-License-Identifier: MIT
"""Rules that need the kernel: its symbols, traceable sites and modules, without running it."""

from collections.abc import Iterator, Sequence

from lppack import abi
from lppack.document import Document, Pointer
from lppack.errors import Level
from lppack.kernel.exiting import exit_list, waits_for_exits
from lppack.kernel.facts import Facts, Symbol, SymbolVerdict, verdict
from lppack.kernel.query import listed
from lppack.rules.elsewhere import home_of_function
from lppack.rules.inlining import holders
from lppack.rules.registry import FACTS, rule
from lppack.rules.replaced import clones_of, copies_of, patched_functions
from lppack.rules.runner import Fault


def _judged(
    document: Document, facts: Facts, wanted: SymbolVerdict
) -> Iterator[tuple[Pointer, str, str, Sequence[Symbol]]]:
    for pointer, name, old, sympos in patched_functions(document):
        copies = copies_of(facts, name, old)
        if copies is None:
            continue
        found = verdict(copies, clones_of(facts, name, old), sympos)
        if (
            found is SymbolVerdict.MISSING
            and not copies
            and name == "vmlinux"
            and holders(facts, old)
        ):
            found = SymbolVerdict.INLINED
        if found is wanted:
            yield pointer, name, old, copies


@rule(needs=FACTS, sources=(9,))
def function_exists(document: Document, facts: Facts) -> Iterator[Fault]:
    """The function is in that object (klp_find_object_symbol, kernel/livepatch/core.c).

    If not, the kernel refuses to load the patch. Most often it is of a module, which is another
    object; misspelt; of another version or configuration of the kernel; or inlined into each caller
    (then patch those). What this kernel knows: lppack facts FUNCTION --kernel REL.
    """
    for pointer, name, old, copies in _judged(document, facts, SymbolVerdict.MISSING):
        if copies:
            yield Fault(
                pointer, f'{name} has only {len(copies)} "{old}", so there is no such position'
            )
            continue
        hint = home_of_function(facts, name, old, document)
        if hint is None:
            similar = facts.similar(old, module=None if name == "vmlinux" else name)
            hint = f'did you mean "{similar[0]}"?' if similar else None
        yield Fault(
            pointer,
            f'"{old}" is not in {name} of {facts.release}',
            hint or "it may be inlined: patch its callers",
        )


@rule(needs=FACTS, sources=(9,))
def function_is_not_inlined_away(document: Document, facts: Facts) -> Iterator[Fault]:
    """A function that is left only as copies inlined into others cannot be replaced.

    Reported if the debug package was read (--deep); without it, the function is only missing.
    """
    for pointer, _, old, _ in _judged(document, facts, SymbolVerdict.INLINED):
        yield Fault(
            pointer,
            f'"{old}" is in vmlinux only inlined',
            f"replace the functions that it is part of: {listed(holders(facts, old))}",
        )


@rule(needs=FACTS, sources=(12,))
def function_has_a_body_of_its_own(document: Document, facts: Facts) -> Iterator[Fault]:
    """A function that is left only as clones with another calling convention cannot be replaced."""
    for pointer, name, old, _ in _judged(document, facts, SymbolVerdict.CLONE_ONLY):
        yield Fault(
            pointer,
            f'"{old}" is in {name} only as {", ".join(clones_of(facts, name, old))}',
            "the compiler changed its arguments: patch its callers",
        )


@rule(needs=FACTS, sources=(6, 9))
def function_is_one(document: Document, facts: Facts) -> Iterator[Fault]:
    """Of several functions of one name the manifest says which, by `sympos`."""
    for pointer, name, old, copies in _judged(document, facts, SymbolVerdict.AMBIGUOUS):
        deep = facts.inlining if name == "vmlinux" else None
        files = [deep.file_of(copy) if deep else None for copy in copies[:8]]
        places = "; ".join(
            f"{copy.sympos} at {copy.address:#x}{f' in {file}' if file else ''}"
            f"{'' if copy.traceable else ' (not traceable)'}"
            for copy, file in zip(copies, files, strict=False)
        )
        yield Fault(
            pointer, f'{name} has {len(copies)} functions "{old}"', f'give "sympos": {places}'
        )


@rule(needs=FACTS)
def function_has_one_replacement(document: Document, facts: Facts) -> Iterator[Fault]:
    """Names of one function, such as __x64_sys_getpid and __ia32_sys_getpid, are one entry.

    Calls by any of its names reach the same fentry call, where livepatch finds what replaces it by
    the address (klp_find_ops(), kernel/livepatch/patch.c): of two replacements one never runs.
    """
    seen: dict[tuple[str, int | None, int], str] = {}
    for pointer, name, old, sympos in patched_functions(document):
        copies = copies_of(facts, name, old) or ()
        found = [copy for copy in copies if sympos in (None, copy.sympos)]
        if len(found) != 1:
            continue
        first = seen.setdefault((name, found[0].section, found[0].address), old)
        if first != old:
            yield Fault(
                pointer,
                f'"{old}" and "{first}" are one function of {name}',
                "list it once: calls by each of its names are redirected",
            )


@rule(needs=FACTS, sources=(10, 14))
def function_is_traceable(document: Document, facts: Facts) -> Iterator[Fault]:
    """Livepatch redirects at the fentry call, and some code has none.

    That is notrace and noinstr code, all assembler, and what is built without -pg (the vDSO and
    real mode, whose symbols are not even in kallsyms). klp_get_ftrace_location() and
    register_ftrace_function() refuse it (kernel/livepatch/patch.c).
    """
    for pointer, name, old, _ in _judged(document, facts, SymbolVerdict.UNTRACEABLE):
        yield Fault(
            pointer,
            f'"{old}" in {name} has no fentry call: it is notrace, noinstr or built without -pg',
            "patch a function that calls it, or that it calls",
        )


@rule(needs=FACTS, sources=(11,))
def function_outlives_boot(document: Document, facts: Facts) -> Iterator[Fault]:
    """The memory of __init functions is given back after boot."""
    for pointer, name, old, _ in _judged(document, facts, SymbolVerdict.INIT):
        yield Fault(pointer, f'"{old}" in {name} is __init: it has run, and is gone')


@rule(needs=FACTS, level=Level.WARNING, sources=(12,))
def siblings_are_replaced_too(document: Document, facts: Facts) -> Iterator[Fault]:
    """The compiler made changed copies of the function beside it.

    Callers of NAME.isra.0 or NAME.part.0 do not come through NAME, and stay with the old code. The
    .cold part belongs to its function and needs nothing.
    """
    listed = {(name, old) for _, name, old, _ in patched_functions(document)}
    for pointer, name, old, copies in _judged(document, facts, SymbolVerdict.PATCHABLE):
        missed = [
            clone
            for clone in clones_of(facts, name, old)
            if copies and ".cold" not in clone and (name, clone) not in listed
        ]
        if missed:
            yield Fault(
                pointer,
                f"{name} also has {', '.join(missed)}, which this patch leaves as they are",
                "find the callers of these; patch them too",
            )


@rule(needs=FACTS, level=Level.WARNING, sources=(22,))
def function_is_left_now_and_then(document: Document, facts: Facts) -> Iterator[Fault]:
    """Some thread always sleeps in the function, so the transition would stall.

    klp_check_stack(), kernel/livepatch/transition.c: a thread switches only when no patched
    function is on its stack. The kernel's signal gets user threads out of a sleep, after 15
    seconds; the main function of a kernel thread is never left.
    """
    for pointer, name, old, _ in patched_functions(document):
        if name != "vmlinux" or not facts.copies(old):
            continue
        if old in abi.NEVER_LEFT:
            yield Fault(
                pointer,
                f'a kernel thread never leaves "{old}" ({abi.NEVER_LEFT[old]}): '
                "the transition will not complete",
                "patch what it calls",
            )
        elif old in abi.SLEPT_IN:
            yield Fault(
                pointer,
                f'some thread always sleeps in "{old}" ({abi.SLEPT_IN[old]}): '
                "the transition may take long",
                "patch what it calls, or give apply a longer --timeout",
            )


@rule(needs=FACTS, sources=(20,))
def module_is_known(document: Document, facts: Facts) -> Iterator[Fault]:
    """The object is a module of this kernel, or one that the tests build from target/."""
    targets = {text for _, text in document.strings("test", "targets")}
    for pointer, entry in document.mappings("objects"):
        name = entry.get("name")
        if not isinstance(name, str) or name == "vmlinux" or name in targets:
            continue
        if not facts.has_module(name):
            yield Fault(
                (*pointer, "name"),
                f'{facts.release} has no module "{name}"',
                "is it built in? then the object is vmlinux",
            )


@rule(needs=FACTS)
def exiting_threads_are_found(document: Document, facts: Facts) -> Iterator[Fault]:
    """A thread that exits can be found in a patch's module until it has left it.

    The kernel takes it off the list of threads while it still runs and may sleep in a replaced
    function; the module must not be unloaded then. Up to 6.8 synchronize_rcu_tasks() waits for all
    such threads; since 6.9 RCU keeps lists of them, which lppack reads (kernel/rcu/tasks.h).
    """
    if not waits_for_exits(facts) and exit_list(facts) is None:
        yield Fault(
            ("kernels",),
            f"{facts.release} has neither {abi.EXIT_SRCU} nor a list {abi.EXIT_HEAD[1]} that can "
            "be read: a thread that exits inside of a patch would not be found",
            "choose a kernel with CONFIG_TASKS_RCU and CONFIG_VMAP_STACK",
        )
