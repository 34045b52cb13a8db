# SPDX-License-Identifier: MIT
"""Rules of `workload`: what the simulator assumes about the machine."""

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from lppack import abi
from lppack.document import Document, Pointer
from lppack.rules.registry import MANIFEST, rule
from lppack.rules.runner import Fault, clip, nearest


def _patched(document: Document) -> set[str]:
    return {
        entry["old"]
        for pointer, _ in document.mappings("objects")
        for _, entry in document.mappings(*pointer, "functions")
        if isinstance(entry.get("old"), str)
    }


def _near(name: str, names: Collection[str]) -> str | None:
    """Return a "did you mean" hint if ``name`` is similar to one of ``names``."""
    close = nearest(name, names, cutoff=0.8)
    return f"did you mean {clip(close)}?" if close else None


@rule(needs=MANIFEST)
def workload_is_of_the_patch(document: Document) -> Iterator[Fault]:
    """`visits` and `sleeps` name functions that the patch replaces.

    Other functions do not delay a transition. `visits` may also name do_syscall_64, which stands
    for a whole visit to the kernel.
    """
    patched = _patched(document)
    for pointer, entry in document.mappings("workload", "visits"):
        name = entry.get("function")
        if isinstance(name, str) and name not in patched and name != abi.SYSCALL:
            yield Fault(
                (*pointer, "function"),
                f'"{clip(name)}" is not replaced by this patch',
                _near(name, patched) or f"name a replaced function, or {abi.SYSCALL}",
            )
    for pointer, name in document.strings("workload", "sleeps"):
        if name not in patched:
            yield Fault(
                pointer,
                f'"{clip(name)}" is not replaced by this patch',
                _near(name, patched) or "name a replaced function, or leave it out",
            )


@rule(needs=MANIFEST)
def calls_lead_from_the_patch_to_the_patch(document: Document) -> Iterator[Fault]:
    """`calls` declares which replaced functions call each other.

    A path between them may contain functions that are not replaced. A name that is on no such path
    has no effect, and is usually misspelt: the simulator would then assume that the call does not
    exist.
    """
    patched = _patched(document)
    calls: dict[str, set[str]] = {}
    for stack in _stacks(document):
        for (_, caller), (_, callee) in pairwise(stack):
            calls.setdefault(caller, set()).add(callee)
    named: list[tuple[Pointer, str]] = []
    table = document.at("workload", "calls")
    for caller in table if isinstance(table, dict) else ():
        at: Pointer = ("workload", "calls", caller)
        called = list(document.strings(*at))
        calls.setdefault(caller, set()).update(name for _, name in called)
        named += [(at, caller), *called]
    callers: dict[str, set[str]] = {}
    for caller, several in calls.items():
        for callee in several:
            callers.setdefault(callee, set()).add(caller)
    between = _reached(patched, calls) & _reached(patched, callers)
    for pointer, name in named:
        if name not in patched and name not in between:
            yield Fault(
                pointer,
                f'"{clip(name)}" is not replaced by this patch, and is on no call path '
                "between replaced functions",
                _near(name, patched) or "remove it, or declare its callers and its callees",
            )


def _reached(names: Collection[str], edges: Mapping[str, set[str]]) -> set[str]:
    """Return the names that can be reached from ``names`` in one or more steps."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        new = edges.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def _stacks(document: Document) -> Iterator[list[tuple[Pointer, str]]]:
    stacks = document.at("workload", "threads")
    for number in range(len(stacks) if isinstance(stacks, list) else 0):
        yield list(document.strings("workload", "threads", number))


@rule(needs=MANIFEST)
def stacks_name_replaced_functions(document: Document) -> Iterator[Fault]:
    """A stack in `threads` contains a replaced function; otherwise it has no effect.

    Other functions may surround it. A name similar to that of a replaced function is usually
    misspelt.
    """
    patched = _patched(document)
    for number, stack in enumerate(_stacks(document)):
        near = {pointer: _near(name, patched) for pointer, name in stack if name not in patched}
        for pointer, name in stack:
            if question := near.get(pointer):
                yield Fault(
                    pointer,
                    f'"{clip(name)}" is not replaced by this patch',
                    f"{question} if it is another function, remove it: only replaced "
                    "functions matter",
                )
        if len(near) == len(stack) and not any(near.values()):
            yield Fault(
                ("workload", "threads", number),
                "names no function that this patch replaces",
                "leave it out",
            )


@rule(needs=MANIFEST)
def visits_say_how_long(document: Document) -> Iterator[Fault]:
    """An entry of `visits` gives a histogram, the length of the visits, or how many there are per
    second.

    A histogram contains the lengths. Without stacks, an entry must also give the number of threads,
    and how long and how often they are inside.
    """
    stacks = document.at("workload", "stacks") is not None
    watched = document.at("workload", "watched") is not None
    for pointer, entry in document.mappings("workload", "visits"):
        known = {"histogram", "seconds", "per_second"} & set(entry)
        if not known and "threads" not in entry:
            yield Fault(pointer, "does not describe the visits", "add histogram or seconds")
        elif {"histogram", "seconds"} <= known:
            yield Fault(
                (*pointer, "seconds"),
                "the histogram already contains the length of visits",
                "remove one of them",
            )
        elif not stacks and "threads" not in entry:
            yield Fault(
                pointer, "without stacks, the number of threads is unknown", "add `threads`"
            )
        elif not stacks and len(known | ({"per_second"} if watched else set())) < 2:
            yield Fault(
                pointer,
                "without stacks, lppack does not know how often threads are inside",
                "add `per_second` with a histogram or `seconds`; or add a histogram and `watched`",
            )
