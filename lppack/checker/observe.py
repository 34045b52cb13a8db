# SPDX-License-Identifier: MIT
"""What can be observed: the columns of docs/semantics.md 1.3, and what the invariants forbid."""

from collections.abc import Iterator
from enum import IntFlag

from lppack.checker.machine import (
    OLD,
    OUTSIDE,
    Globals,
    Machine,
    Others,
    Phase,
    Place,
    State,
    Thread,
    done,
)


class Seen(IntFlag):
    SAME_IN_STACK = 1 << 0
    OLD_CALLS_NEW = 1 << 1
    NEW_CALLS_OLD = 1 << 2
    MIX_IN_P = 1 << 3
    MIX_IN_KERNEL = 1 << 4
    SAME_AT_ONCE = 1 << 5
    BOTH_AT_ONCE = 1 << 6
    NEW_BEFORE_DONE = 1 << 7
    LIVE_AT_FLIP = 1 << 8
    OLD_AFTER_DONE = 1 << 9
    OLD_OLD = 1 << 10  # an old function met the old form
    OLD_NEW = 1 << 11
    NEW_OLD = 1 << 12
    NEW_NEW = 1 << 13
    STALE_POINTER = 1 << 14
    FREED_TOUCHED = 1 << 15
    FORM_CHANGED = 1 << 16  # while a thread held the object's lock
    WRONG_COUNT = 1 << 17
    OLD_DATA_LEFT = 1 << 18  # WORLD: after the stop
    CONVERTED_TWICE = 1 << 19
    MOVED_IN_STOP = 1 << 20
    CONVERTING_EARLY = 1 << 21  # the flag is set and the transition is not complete
    FLIPPED_INSIDE = 1 << 22  # a unit switched while an activation of its area was on a stack
    STUCK = 1 << 23  # in a transition, the engine has no step, not even a revert
    LATE_WORK = 1 << 24  # a task work of a transition that is over moves its thread


#: Flag -> the statement of docs/semantics.md that forbids it, and a text for people.
WORDS: dict[Seen, tuple[str, str]] = {
    Seen.MIX_IN_P: ("I2", "one visit to the patched functions mixes old and new"),
    Seen.MIX_IN_KERNEL: ("I3", "one visit to the kernel mixes old and new"),
    Seen.BOTH_AT_ONCE: ("I4", "old and new functions run at once"),
    Seen.OLD_AFTER_DONE: ("I6", "an old function runs after the transition is complete"),
    Seen.OLD_NEW: ("I10", "an old function meets data in the new form"),
    Seen.NEW_OLD: ("I9", "a new function meets data in the old form after the flip"),
    Seen.STALE_POINTER: ("R13", "a pointer was kept to an object that has moved"),
    Seen.FREED_TOUCHED: ("T4", "an object is reversed after it was freed"),
    Seen.FORM_CHANGED: ("T4", "the form of an object changes under somebody's lock"),
    Seen.WRONG_COUNT: ("I7", "a counter is not what is on the stack"),
    Seen.FLIPPED_INSIDE: ("I7", "the kernel switches while a thread is inside"),
    Seen.STUCK: ("L9", "the engine waits for a thread that sleeps, and cannot even turn back"),
    Seen.LATE_WORK: ("R7", "a task work of a transition that is over switches its thread"),
    Seen.OLD_DATA_LEFT: ("I9", "data in the old form is left after the stop"),
}

MATRIX = (
    (Seen.SAME_IN_STACK, "same fn old+new in one stack"),
    (Seen.OLD_CALLS_NEW, "old calls new"),
    (Seen.NEW_CALLS_OLD, "new calls old"),
    (Seen.MIX_IN_P, "mix in one visit to P"),
    (Seen.MIX_IN_KERNEL, "mix in one visit to kernel"),
    (Seen.SAME_AT_ONCE, "same fn old+new at once"),
    (Seen.BOTH_AT_ONCE, "old+new at once"),
    (Seen.NEW_BEFORE_DONE, "new ran before done"),
    (Seen.LIVE_AT_FLIP, "frames live at last flip"),
    (Seen.OLD_AFTER_DONE, "old frame after done"),
)


def in_thread(t: Thread) -> int:
    """Return the flags that one thread's stack and visits show."""
    seen = 0
    if t.in_p & (t.in_p - 1):
        seen |= Seen.MIX_IN_P
    if t.in_k & (t.in_k - 1):
        seen |= Seen.MIX_IN_KERNEL
    for above, below in zip(t.stack[1:], t.stack, strict=False):
        if OUTSIDE not in (above.univ, below.univ):
            seen |= Seen.OLD_CALLS_NEW if below.univ < above.univ else 0
            seen |= Seen.NEW_CALLS_OLD if below.univ > above.univ else 0
    if len({frame.fn for frame in t.stack}) < len({(frame.fn, frame.univ) for frame in t.stack}):
        seen |= Seen.SAME_IN_STACK
    return seen


def activations(threads: Others) -> set[tuple[int, int]]:
    """Return (function, universe) of each activation of P on a stack."""
    return {(f.fn, f.univ) for t in threads for f in t.stack if f.univ != OUTSIDE}


def in_state(m: Machine, state: State) -> int:
    """Return the flags that one state shows."""
    k, threads = state
    seen = together(k, threads)
    for t in threads:
        seen |= alone(m, k, t)
    return seen


def alone(m: Machine, k: Globals, t: Thread) -> int:
    """Return the flags that one thread shows, whatever the other threads are."""
    seen = in_thread(t) if t.stack or t.in_k else 0
    if k.armed and m.wrong_count(t):
        seen |= Seen.WRONG_COUNT
    return seen


def together(k: Globals, threads: Others) -> int:
    """Return the flags that the activations and switch words of all threads show together."""
    seen = 0
    live = activations(threads)
    if live:
        universes = {univ for _, univ in live}
        if len(universes) > 1:
            seen |= Seen.BOTH_AT_ONCE
            if len({fn for fn, _ in live}) < len(live):
                seen |= Seen.SAME_AT_ONCE
        if k.turns:
            finished = done(k, threads)
            if finished and universes != {k.target}:
                seen |= Seen.OLD_AFTER_DONE
            if not finished and k.target in universes:
                seen |= Seen.NEW_BEFORE_DONE
    if k.conv and (k.phase != Phase.COMPLETE or not done(k, threads)):
        seen |= Seen.CONVERTING_EARLY
    return seen


def in_step(before: tuple[Globals, Others], after: tuple[Globals, Others]) -> int:
    """Return LIVE_AT_FLIP if the step is the last flip and a frame of P is on a stack, else 0."""
    k = after[0]
    if before[0].turns != k.turns or k.phase != Phase.TRANSITION:
        return 0
    if done(*before) or not done(*after):
        return 0
    return Seen.LIVE_AT_FLIP if activations(after[1]) else 0


def is_under_way(m: Machine, state: State) -> bool:
    """Return True if a thread sleeps in a transition that can be reversed.

    The engine must then have a step to take (L9).
    """
    k, threads = state
    asleep = any(t.place == Place.BLOCKED for t in threads)
    return m.revert and k.phase == Phase.TRANSITION and k.target != OLD and asleep


def moved_in_stop(before: Globals, rule: str) -> int:
    return Seen.MOVED_IN_STOP if before.stopped and not rule.startswith("T") else 0


def names(seen: int) -> Iterator[Seen]:
    """Return the single flags of a mask."""
    return (flag for flag in Seen if flag & seen)
