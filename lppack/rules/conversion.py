# SPDX-License-Identifier: MIT
"""Rules of the author's C that handles converted data: when it converts, checks and forgets."""

from collections.abc import Iterator
from typing import Any

from lppack.csource.tokens import CFile, CFunction, Token, arguments
from lppack.document import Document
from lppack.errors import Level
from lppack.rules.registry import MANIFEST, rule
from lppack.rules.runner import Fault, safe
from lppack.rules.source import at, headers, sources

#: Functions that free memory (mm/slab_common.c, mm/util.c, include/linux/rcupdate.h).
_FREE = ("kfree", "kvfree", "kfree_sensitive", "kmem_cache_free", "kfree_rcu", "vfree")
#: Functions and flags that may sleep (might_sleep() in each, or GFP_KERNEL).
_SLEEP = (
    *("mutex_lock", "mutex_lock_interruptible", "down", "down_read", "down_write", "msleep"),
    *("usleep_range", "schedule", "schedule_timeout", "wait_event", "wait_for_completion"),
    *("copy_from_user", "copy_to_user", "synchronize_rcu", "vmalloc", "vzalloc", "kvmalloc"),
    *("kvzalloc", "flush_work", "cancel_work_sync", "might_sleep", "cond_resched"),
)
_ALLOCATE = (
    *("kmalloc", "kzalloc", "kcalloc", "kmalloc_array", "krealloc", "kstrdup", "kmemdup"),
    *("vmalloc", "vzalloc", "kvmalloc", "kvzalloc", "kmem_cache_alloc", "kmem_cache_zalloc"),
    *("alloc_pages", "__get_free_page", "__get_free_pages", "alloc_percpu"),
)


def _functions(document: Document) -> Iterator[tuple[CFile, CFunction]]:
    for file in sources(document):
        for function in file.functions:
            yield file, function


def _texts(document: Document, key: str, *wanted: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the entries of a list in which the ``wanted`` keys are text, each with its index."""
    for pointer, entry in document.mappings(key):
        if all(isinstance(entry.get(name), str) for name in wanted):
            yield int(pointer[1]), entry


def _names(document: Document) -> frozenset[str]:
    files = (*sources(document), *headers(document))
    return frozenset[str]().union(*(file.names for file in files))


def _complete(document: Document) -> bool:
    """Return True if all sources could be read."""
    return bool(sources(document)) and len(sources(document)) == len(document.at("sources"))


def _is_world(document: Document) -> bool:
    return any(flag == "TRANSFORM_WORLD" for _, flag in document.strings("needs"))


@rule(needs=MANIFEST)
def transform_is_called(document: Document) -> Iterator[Fault]:
    """Each transform T is used: the new code calls lp_convert_T() somewhere.

    Phase 2 only allows conversion. An instance is converted when the new code calls this function
    on access. With TRANSFORM_WORLD there is no function to call.
    """
    if not _complete(document) or _is_world(document):
        return
    for index, entry in _texts(document, "transforms", "name"):
        if f"lp_convert_{entry['name']}" not in _names(document):
            yield Fault(
                ("transforms", index, "name"),
                f"no source calls lp_convert_{safe(entry['name'])}()",
                "call it before an instance is used",
            )


_OWNED = (("transforms", "forward"), ("transforms", "reverse"), ("shadow_variables", "constructor"))


@rule(needs=MANIFEST, sources=(29,))
def transform_is_left_to_the_glue(document: Document) -> Iterator[Fault]:
    """Only generated code calls `forward`, `reverse` and a shadow variable's `constructor`.

    Called by the author's code, they would convert data before every thread has switched, and
    nothing would track the instances to reverse.
    """
    owned = {
        entry[key]: key
        for table, keys in (
            ("transforms", ("forward", "reverse")),
            ("shadow_variables", ("constructor",)),
        )
        for _, entry in document.mappings(table)
        for key in keys
        if isinstance(entry.get(key), str)
    }
    for file, function in _functions(document):
        for token in function.calls(*owned) if owned else ():
            yield at(
                file,
                token,
                f"{token.text}() is a {owned[token.text]}: only generated code may call it",
                None
                if _is_world(document)
                else "call lp_convert_T(), which checks that conversion is on, and tracks "
                "the instance",
            )


@rule(needs=MANIFEST, sources=(48,))
def constructor_does_not_sleep(document: Document) -> Iterator[Fault]:
    """A constructor runs with interrupts off, under the lock of all shadow variables.

    __klp_shadow_get_or_alloc(), kernel/livepatch/shadow.c, calls it with klp_shadow_lock held.
    """
    names = {e["constructor"] for _, e in _texts(document, "shadow_variables", "constructor")}
    for file, function in _functions(document):
        if function.name in names:
            for token in (*function.calls(*_SLEEP), *_words(function, "GFP_KERNEL")):
                yield at(
                    file,
                    token,
                    f"{token.text} may sleep: not allowed in constructor {function.name}()",
                )


@rule(needs=MANIFEST)
def forward_does_not_reclaim(document: Document) -> Iterator[Fault]:
    """`forward` runs under the lock of the instance, so it must allocate with GFP_NOWAIT.

    GFP_KERNEL may start reclaim, and reclaim may need the same lock.
    """
    names = {entry["forward"] for _, entry in _texts(document, "transforms", "forward")}
    for file, function in _functions(document):
        if function.name in names:
            for token in _words(function, "GFP_KERNEL"):
                yield at(
                    file,
                    token,
                    f"GFP_KERNEL under the lock, in {function.name}()",
                    "use GFP_NOWAIT",
                )


@rule(needs=MANIFEST, sources=(30,))
def reverse_needs_no_memory(document: Document) -> Iterator[Fault]:
    """`reverse` allocates no memory: it must not fail, because the revert has already begun."""
    names = {entry["reverse"] for _, entry in _texts(document, "transforms", "reverse")}
    for file, function in _functions(document):
        if function.name in names:
            for token in function.calls(*_ALLOCATE):
                yield at(file, token, f"{token.text}() in {function.name}(), which must not fail")


@rule(needs=MANIFEST)
def stop_waits_for_nothing(document: Document) -> Iterator[Fault]:
    """With TRANSFORM_WORLD, code that runs in the stop neither sleeps nor allocates.

    stop_machine() runs this code with interrupts off while all threads are stopped: a wait would
    never end. `prepare` allocates, before the stop; `finish` frees, after it.
    """
    if not _is_world(document):
        return
    keys = ("for_each", "marker", "check", "forward", "reverse")
    names = {
        entry[key]
        for _, entry in document.mappings("transforms")
        for key in keys
        if isinstance(entry.get(key), str)
    }
    for file, function in _functions(document):
        if function.name in names:
            for token in (*function.calls(*_SLEEP, *_ALLOCATE), *_words(function, "GFP_KERNEL")):
                yield at(
                    file,
                    token,
                    f"{token.text} in {function.name}(), which runs in the stop",
                    "move it to prepare or finish; for a mutex, check mutex_is_locked()",
                )


def _words(function: CFunction, *words: str) -> Iterator[Token]:
    return (token for token in function.body if token.text in words)


@rule(needs=MANIFEST, level=Level.WARNING, sources=(49,))
def shadow_variable_may_be_missing(document: Document) -> Iterator[Fault]:
    """Code handles NAME_get() returning NULL, as it does for instances in the old form.

    A function passes if it calls the marker of the transform, or compares the result. Instances
    that were created before the patch have no shadow variable.
    """
    markers = {e["name"]: e["marker"] for _, e in _texts(document, "transforms", "name", "marker")}
    for _, entry in _texts(document, "shadow_variables", "name", "transform"):
        getters = (f"{entry['name']}_get", f"{entry['name']}_get_or_alloc")
        marker = markers.get(entry["transform"])
        for file, function in _functions(document):
            if marker and any(function.calls(marker)):
                continue
            for token in function.calls(*getters):
                if _unchecked(function.body, token):
                    yield at(
                        file,
                        token,
                        f"{token.text}() returns NULL for an instance in the old form",
                        "check the marker first, under the lock, or compare the result with NULL",
                    )


def _unchecked(body: tuple[Token, ...], call: Token) -> bool:
    """Return True if the result is used without a check: ``get(x)->y``, or a variable never
    compared."""
    place = body.index(call)
    end = place + 2 + len(arguments(body, call))  # its closing parenthesis
    after = body[end + 1].text if end + 1 < len(body) else ""
    if after == "->":
        return True
    if after != ";" or place < 2 or body[place - 1].text != "=":
        return False
    name, rest = body[place - 2].text, body[end:]
    for before, token, behind in zip(rest, rest[1:], rest[2:], strict=False):
        if token.text == name:
            if behind.text in ("==", "!=", "&&", "||", "?", ")") and before.text != ",":
                return False
            if before.text in ("!", "&&", "||", "==", "!=", "return"):
                return False
            if behind.text == "->":
                return True
    return False


@rule(needs=MANIFEST, level=Level.WARNING)
def new_data_is_made_by_forward(document: Document) -> Iterator[Fault]:
    """Only `forward`, or a function that it calls, calls NAME_get_or_alloc() (a warning).

    Anywhere else it returns NULL unless phase 2 is on, and the marker does not show that the shadow
    variable exists.
    """
    bodies = {function.name: function for _, function in _functions(document)}
    reached = {entry["forward"] for _, entry in _texts(document, "transforms", "forward")}
    todo = list(reached)
    while todo:
        function = bodies.get(todo.pop())
        for token in function.calls() if function else ():
            if token.text in bodies and token.text not in reached:
                reached.add(token.text)
                todo.append(token.text)
    for _, entry in _texts(document, "shadow_variables", "name"):
        for file, function in _functions(document):
            if function.name not in reached:
                for token in function.calls(f"{entry['name']}_get_or_alloc"):
                    yield at(
                        file, token, f"{token.text}() outside of forward", "allocate it in forward"
                    )


@rule(needs=MANIFEST, level=Level.WARNING, sources=(51,))
def converted_type_is_forgotten(document: Document) -> Iterator[Fault]:
    """Some function calls lp_forget_T() where an instance is freed.

    Otherwise the list of converted instances points into freed memory, and revert writes there. A
    type whose instances are never freed needs no such call.
    """
    if not _complete(document) or _is_world(document):
        return
    for index, entry in _texts(document, "transforms", "name"):
        if f"lp_forget_{entry['name']}" not in _names(document):
            yield Fault(
                ("transforms", index, "name"),
                f"no source calls lp_forget_{safe(entry['name'])}()",
                "replace each function that frees an instance, and call it there",
            )


@rule(needs=MANIFEST, level=Level.WARNING, sources=(45,))
def free_forgets_first(document: Document) -> Iterator[Fault]:
    """A function that frees an instance of a converted type calls lp_forget_T() first.

    lp_forget_T() removes the instance from the list of tracked ones, and frees its shadow
    variables.
    """
    for _, entry in () if _is_world(document) else _texts(document, "transforms", "name", "type"):
        type_ = entry["type"].split()
        for file, function in _functions(document):
            if any(function.calls(f"lp_forget_{entry['name']}")):
                continue
            owned = _pointers((*function.head, *function.body), type_)
            for token in function.calls(*_FREE):
                if any(word.text in owned for word in arguments(function.body, token)):
                    yield at(
                        file,
                        token,
                        f"{token.text}() of a {safe(entry['type'])} that may be tracked",
                        f"call lp_forget_{safe(entry['name'])}() before",
                    )


def _pointers(tokens: tuple[Token, ...], type_: list[str]) -> set[str]:
    """Return the variables and arguments that are declared as ``TYPE *name``."""
    words, found = [token.text for token in tokens], set()
    for place in range(len(type_), len(words) - 1):
        if words[place] == "*" and words[place - len(type_) : place] == type_:
            found.add(words[place + 1])
    return found
