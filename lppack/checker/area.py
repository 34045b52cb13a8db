# SPDX-License-Identifier: MIT
"""The area that a thread has to leave, and what an engine sees of it (docs/semantics.md 1.1)."""

from dataclasses import dataclass

from lppack.checker.machine import (
    ON_THE_WAY,
    OUTSIDE,
    Globals,
    Machine,
    Method,
    Place,
    Thread,
    p_frames,
)
from lppack.consistency import Leave


@dataclass(frozen=True, kw_only=True)
class Checks:
    """The checks that an engine makes; without any one of them, a known fault returns."""

    calls: bool = True  # a thread in the ftrace call of a function counts as inside
    works_left: bool = True  # at the border: are task works left?
    last_work: bool = True  # in the engine's work: do other works come after it?
    own_set: bool = True  # in the engine's work: is its thread in P?
    waits_for_nobody: bool = True  # opening the gate does not wait for works that run
    late_works: bool = True  # a work does nothing if its transition is over
    unseen_cleared: bool = True  # a pair of looks ignores the count of an earlier pair
    entries_compared: bool = True  # an equal count is not enough if a thread has entered
    arms_what_is_seen: bool = True  # do not arm if the count is below what is on the stacks


def area_frames(m: Machine, t: Thread, word: int) -> int:
    """Return the number of activations of the area on the stack; L_KERNEL: 1 while in the kernel.

    ``word``: the switch word, which is the function's index if LEAVE_FUNCTION is strict.
    """
    leave = m.leave_of(t.kind)
    if leave is Leave.LEAVE_KERNEL:
        return int(not m.rules.out(m, t))
    if leave is Leave.LEAVE_PATCHED_SET:
        return p_frames(t) + int(t.inside in ON_THE_WAY and m.rules.checks.calls)
    if not m.strict:
        return 0  # literal LEAVE_FUNCTION: nothing is counted
    return sum(frame.univ != OUTSIDE and frame.fn == word for frame in t.stack)


def in_user_space(m: Machine, t: Thread) -> bool:
    """Return True if the thread is out of the kernel; works.py replaces this check."""
    return t.place == Place.USER


def counts(m: Machine) -> bool:
    """Return True if each thread has a counter: never with LEAVE_FUNCTION."""
    return m.method is Method.COUNT and m.leave is not Leave.LEAVE_FUNCTION


def area_count(m: Machine, t: Thread, word: int) -> int:
    return t.cnt if counts(m) else area_frames(m, t, word)


def counted(m: Machine, k: Globals, t: Thread, leave: Leave, step: int) -> Thread:
    """Return the thread after an entry to (1) or an exit from (-1) the area ``leave``.

    Its counter changes only if counters are armed and count this area.
    """
    if k.armed and counts(m) and m.leave_of(t.kind) is leave:
        return t._replace(cnt=t.cnt + step)
    return t


def wrong_count(m: Machine, t: Thread) -> bool:
    """Return True if I7 is broken: the counter is not the number of frames of the area."""
    return counts(m) and t.cnt != area_frames(m, t, 0)
