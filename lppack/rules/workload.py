# SPDX-License-Identifier: MIT
"""Rules of what the simulator is to assume of the machine."""

from collections.abc import Iterator

from lppack import abi
from lppack.document import Document
from lppack.rules.runner import Fault, Rule, clip


def workload_is_of_the_patch(document: Document) -> Iterator[Fault]:
    """Visits are counted of functions that the patch replaces, or of do_syscall_64, which is a
    whole visit to the kernel: others do not hold a transition up."""
    patched = {
        entry["old"]
        for pointer, _ in document.mappings("objects")
        for _, entry in document.mappings(*pointer, "functions")
        if isinstance(entry.get("old"), str)
    }
    for pointer, entry in document.mappings("workload", "visits"):
        name = entry.get("function")
        if isinstance(name, str) and name not in patched and name != abi.SYSCALL:
            yield Fault(
                (*pointer, "function"),
                f'"{clip(name)}" is not replaced by this patch',
                f"name a replaced function, or {abi.SYSCALL}",
            )


def visits_say_how_long(document: Document) -> Iterator[Fault]:
    """An entry of `visits` says something of the visits: a histogram, their length or how many
    there are in a second. A histogram has lengths already; without stacks, it must be said how
    many threads there are, and the share of the time that they are inside must follow."""
    stacks = document.at("workload", "stacks") is not None
    watched = document.at("workload", "watched") is not None
    for pointer, entry in document.mappings("workload", "visits"):
        known = {"histogram", "seconds", "per_second"} & set(entry)
        if not known and "threads" not in entry:
            yield Fault(pointer, "says nothing of the visits", "give a histogram, or seconds")
        elif {"histogram", "seconds"} <= known:
            yield Fault((*pointer, "seconds"), "a histogram says how long visits are", "drop one")
        elif not stacks and "threads" not in entry:
            yield Fault(pointer, "without stacks, nobody knows how many threads", "give `threads`")
        elif not stacks and len(known | ({"per_second"} if watched else set())) < 2:
            yield Fault(
                pointer,
                "without stacks, nobody knows how often threads are inside",
                "give `per_second` and a histogram or `seconds`; or a histogram and `watched`",
            )


RULES: tuple[Rule, ...] = (workload_is_of_the_patch, visits_say_how_long)
