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
    """What an engine looks at; each is there for a fault that comes back without it."""

    calls: bool = True  # a thread in the ftrace call of a function is in it
    works_left: bool = True  # at the border: whether task works are left
    last_work: bool = True  # in its own work: whether others come after it
    own_set: bool = True  # in its own work: whether its thread is in P
    waits_for_nobody: bool = True  # opening the gate does not wait for works that run
    late_works: bool = True  # a work knows its transition
    unseen_cleared: bool = True  # each pair of looks begins anew
    entries_compared: bool = True  # and as many visits are not the same ones
    arms_what_is_seen: bool = True  # a count below what is on the stacks is wrong


def area_frames(m: Machine, t: Thread, word: int) -> int:
    """Activations of the area on the stack; L_KERNEL: 1 while in the kernel."""
    leave = m.leave_of(t.kind)
    if leave is Leave.LEAVE_KERNEL:
        return int(not m.rules.out(m, t))
    if leave is Leave.LEAVE_PATCHED_SET:
        return p_frames(t) + int(t.inside in ON_THE_WAY and m.rules.checks.calls)
    if not m.strict:
        return 0  # literally: nothing is counted
    return sum(frame.univ != OUTSIDE and frame.fn == word for frame in t.stack)


def in_user_space(m: Machine, t: Thread) -> bool:
    """Return whether a thread is out of the kernel, as far as the engine can see."""
    return t.place == Place.USER


def counts(m: Machine) -> bool:
    """Return True if each thread has a counter: never with LEAVE_FUNCTION."""
    return m.method is Method.COUNT and m.leave is not Leave.LEAVE_FUNCTION


def area_count(m: Machine, t: Thread, word: int) -> int:
    return t.cnt if counts(m) else area_frames(m, t, word)


def counted(m: Machine, k: Globals, t: Thread, leave: Leave, step: int) -> Thread:
    """Return the counter after an entry to (1) or an exit from (-1) the area ``leave``."""
    if k.armed and counts(m) and m.leave_of(t.kind) is leave:
        return t._replace(cnt=t.cnt + step)
    return t


def wrong_count(m: Machine, t: Thread) -> bool:
    """I7: the counter is not the number of frames of the area on the stack."""
    return counts(m) and t.cnt != area_frames(m, t, 0)
