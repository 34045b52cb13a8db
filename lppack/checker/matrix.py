# SPDX-License-Identifier: MIT
"""The combinations of docs/semantics.md 1.3, and what may be observed in each."""

from dataclasses import dataclass

from lppack.checker.explorer import Found, Population, explore
from lppack.checker.machine import Hook, Machine
from lppack.checker.observe import MATRIX
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    leave: Leave
    switch: Switch
    strict: bool = False


_F, _P, _K = Leave
_SF, _ST, _SK = Switch
ROWS = (
    Row("LEAVE_F+SWITCH_F", _F, _SF),
    Row("LEAVE_F+SWITCH_T", _F, _ST),
    Row("LEAVE_F+SWITCH_T strict", _F, _ST, True),
    Row("LEAVE_F+SWITCH_K", _F, _SK),
    Row("LEAVE_F+SWITCH_K strict", _F, _SK, True),
    Row("LEAVE_P+SWITCH_F", _P, _SF),
    Row("LEAVE_P+SWITCH_T", _P, _ST),
    Row("LEAVE_P+SWITCH_K", _P, _SK),
    Row("LEAVE_K+SWITCH_F", _K, _SF),
    Row("LEAVE_K+SWITCH_T", _K, _ST),
    Row("LEAVE_K+SWITCH_K", _K, _SK),
)


def machine(row: Row, rules: Rules) -> Machine:
    """Return the machine of 1.3: f and g call each other, to depth 2; units flip in ticks."""
    return Machine(
        rules=rules,
        leave=row.leave,
        switch=row.switch,
        strict=row.strict,
        hook=Hook.TICK,
        functions=("f", "g"),
        depth=2,
    )


def observed(row: Row, rules: Rules) -> Found:
    """Explore all interleavings of two threads."""
    return explore(machine(row, rules), (0, 0), Population.COUNTED)


def cells(found: Found) -> tuple[bool, ...]:
    """Return for each column of MATRIX whether it was seen."""
    return tuple(bool(found.seen & flag) for flag, _ in MATRIX)
