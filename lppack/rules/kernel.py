# SPDX-License-Identifier: MIT
"""Rules that need the kernel's files: its symbols, traceable functions and modules."""

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

    Otherwise the kernel refuses to load the patch. Common reasons: the function is in a module,
    which is another object; it is misspelt; it belongs to another version or configuration of the
    kernel; or it was inlined into each caller (then patch the callers). To see what this kernel
    has: lppack facts FUNCTION --kernel REL.
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
            hint or "it may be inlined into its callers: patch them",
        )


@rule(needs=FACTS, sources=(9,))
def function_is_not_inlined_away(document: Document, facts: Facts) -> Iterator[Fault]:
    """A replaced function exists by itself, and not only as inlined copies.

    Reported if the debug package was read (--deep). Otherwise the function is reported as missing.
    """
    for pointer, _, old, _ in _judged(document, facts, SymbolVerdict.INLINED):
        yield Fault(
            pointer,
            f'"{old}" is in vmlinux only as inlined copies',
            f"replace the functions into which it is inlined: {listed(holders(facts, old))}",
        )


@rule(needs=FACTS, sources=(12,))
def function_has_a_body_of_its_own(document: Document, facts: Facts) -> Iterator[Fault]:
    """A replaced function exists by itself, and not only as clones with another calling
    convention."""
    for pointer, name, old, _ in _judged(document, facts, SymbolVerdict.CLONE_ONLY):
        yield Fault(
            pointer,
            f'"{old}" is in {name} only as {", ".join(clones_of(facts, name, old))}',
            "the compiler changed its arguments: replace its callers",
        )


@rule(needs=FACTS, sources=(6, 9))
def function_is_one(document: Document, facts: Facts) -> Iterator[Fault]:
    """If several functions have one name, `sympos` selects one."""
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
    """A function that has several names, such as __x64_sys_getpid and __ia32_sys_getpid, has one
    entry.

    Calls by any of the names reach the same fentry call. There livepatch finds the replacement by
    the address (klp_find_ops(), kernel/livepatch/patch.c), so one of two replacements would never
    run.
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
    """A replaced function has a fentry call, at which livepatch redirects it.

    notrace and noinstr code, all assembler, and code built without -pg have none. The last are the
    vDSO and real mode, whose symbols are not even in kallsyms. klp_get_ftrace_location() and
    register_ftrace_function() refuse such functions (kernel/livepatch/patch.c).
    """
    for pointer, name, old, _ in _judged(document, facts, SymbolVerdict.UNTRACEABLE):
        yield Fault(
            pointer,
            f'"{old}" in {name} has no fentry call: it is notrace, noinstr or built without -pg',
            "replace a function that calls it, or a function that it calls",
        )


@rule(needs=FACTS, sources=(11,))
def function_outlives_boot(document: Document, facts: Facts) -> Iterator[Fault]:
    """A replaced function is not __init: the memory of __init functions is freed after boot."""
    for pointer, name, old, _ in _judged(document, facts, SymbolVerdict.INIT):
        yield Fault(pointer, f'"{old}" in {name} is __init: its memory was freed after boot')


@rule(needs=FACTS, level=Level.WARNING, sources=(12,))
def siblings_are_replaced_too(document: Document, facts: Facts) -> Iterator[Fault]:
    """Callers of the function's changed copies are replaced too.

    The compiler made such copies beside the function. Callers of NAME.isra.0 or NAME.part.0 do not
    call NAME, and would still run the old code. The .cold part belongs to its function and needs
    nothing.
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
                f"{name} also has {', '.join(missed)}, which this patch does not replace",
                "find the callers of these clones, and replace them, too",
            )


@rule(needs=FACTS, level=Level.WARNING, sources=(22,))
def function_is_left_now_and_then(document: Document, facts: Facts) -> Iterator[Fault]:
    """No thread always sleeps in the function. Otherwise the transition would stall.

    klp_check_stack(), kernel/livepatch/transition.c: a thread switches only when no patched
    function is on its stack. After 15 seconds, the kernel's signal gets user threads out of a
    sleep. The main function of a kernel thread never returns.
    """
    for pointer, name, old, _ in patched_functions(document):
        if name != "vmlinux" or not facts.copies(old):
            continue
        if old in abi.NEVER_LEFT:
            yield Fault(
                pointer,
                f'a kernel thread never leaves "{old}" ({abi.NEVER_LEFT[old]}): '
                "the transition will not complete",
                "replace a function that it calls",
            )
        elif old in abi.SLEPT_IN:
            yield Fault(
                pointer,
                f'some thread always sleeps in "{old}" ({abi.SLEPT_IN[old]}): '
                "the transition may take long",
                "replace a function that it calls, or give apply a longer --timeout",
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
                "check the name; if it is built in, the object is vmlinux",
            )


@rule(needs=FACTS)
def exiting_threads_are_found(document: Document, facts: Facts) -> Iterator[Fault]:
    """lppack can find an exiting thread inside a patch's module.

    The kernel removes such a thread from the list of threads while it still runs, and may sleep in
    a replaced function. The module must not be unloaded then. Up to 6.8, synchronize_rcu_tasks()
    waits for all such threads. Since 6.9, RCU keeps lists of them, which lppack reads
    (kernel/rcu/tasks.h).
    """
    if not waits_for_exits(facts) and exit_list(facts) is None:
        yield Fault(
            ("kernels",),
            f"{facts.release} has neither {abi.EXIT_SRCU} nor a readable list "
            f"{abi.EXIT_HEAD[1]}: lppack could not find a thread that exits inside the patch",
            "choose a kernel with CONFIG_TASKS_RCU and CONFIG_VMAP_STACK",
        )
