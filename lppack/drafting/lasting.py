# SPDX-License-Identifier: MIT
"""Data of the kernel's that lives on after a change: defined by another file, or under another
name."""

from collections.abc import Iterator

from lppack.proof.objects import Data
from lppack.proof.prover import Comparison


def moved_data(comparison: Comparison) -> frozenset[str]:
    """Return variables that another file defines now: the kernel's own are meant."""
    gone = {
        (object_, name)
        for unit in comparison.units
        for object_ in unit.unit.objects
        for name in unit.removed_data
    }
    return frozenset(
        name
        for unit in comparison.units
        for object_ in unit.unit.objects
        for name in unit.added_data
        if (object_, name) in gone
    )


def perhaps_renamed(comparison: Comparison) -> Iterator[str]:
    """Yield what may be one variable under two names: then what the kernel's holds is lost."""
    for unit in comparison.units:
        if unit.before is None or unit.after is None:
            continue
        gone = [one for n in unit.removed_data if _lives(one := unit.before.data[n])]
        for new in (one for n in unit.added_data if _lives(one := unit.after.data[n])):
            for old in gone:
                if (old.size, old.static) == (new.size, new.static):
                    yield (
                        f"{old.name} of {unit.unit.path} is gone, and {new.name} is new and as "
                        "large: if it is the same by another name, what it holds is not taken over"
                    )


def _lives(data: Data) -> bool:
    """Whether it is a variable that code writes to, and none of the compiler's or of kbuild's."""
    own = data.section.startswith((".bss", ".data")) and not data.name.startswith(("_", "."))
    return data.writable and own
