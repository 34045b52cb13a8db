# SPDX-License-Identifier: MIT
"""Static data that macros define in functions, of which a patch has a second copy."""

import re
from collections.abc import Collection, Iterator, Sequence

from lppack.drafting.places import Files, Target
from lppack.proof.objects import ObjectFile
from lppack.proof.prover import Comparison

# include/linux/{once_lite,printk,ratelimit,dynamic_debug,lockdep}.h (v5.10 to v7.2): whether a
# message was written already, and how often; a lock's class, which has no size without lockdep.
_OF_MESSAGES = re.compile(
    r"(?:__already_done|__print_once|__warned|_?_rs|descriptor|__key|__UNIQUE_ID_ddebug)(?!\w)"
)


def again(comparison: Comparison, targets: Sequence[Target], files: Files) -> Iterator[str]:
    """Yield the functions whose new form would begin with the first value of what the kernel's own
    has changed: DO_ONCE() would run its function once more.

    Static data that the file itself defines in a function is told by second_copies().
    """
    for unit in comparison.units:
        if unit.before is None or unit.after is None:
            continue
        names = {target.name for target in targets if target.path == unit.unit.path}
        changes = files(unit.unit.path)
        told = {
            static
            for item in (changes.after.functions.values() if changes else ())
            for static in item.statics
        }
        for name in sorted(_compiled(unit.after, names)):
            found = {
                str(one.target[1]).partition("#")[0]
                for one in unit.after.functions[name].references
                if _is_state(str(one.target[1]), unit.before)
            }
            if lasting := sorted(one for one in found - told if not _OF_MESSAGES.match(one)):
                yield (
                    f"{name} of {unit.unit.path} has static data by a macro "
                    f"({', '.join(lasting)}): the kernel's stays with the old function, and the "
                    "new one begins with the first value, so that what was done once is done again"
                )


def _is_state(name: str, before: ObjectFile) -> bool:
    """Return True if the kernel has writable data of that name, which only macros number."""
    return "#" in name and name in before.data and before.data[name].writable


def _compiled(after: ObjectFile, names: Collection[str]) -> set[str]:
    """Return the functions of the object that are in the patch, with the parts that the compiler
    made of them."""
    found: set[str] = set()
    todo = [name for name, one in after.functions.items() if name in names or one.base in names]
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            used = {str(one.target[1]) for one in after.functions[name].references}
            todo += [other for other in used & after.functions.keys() if "." in other]
    return found
