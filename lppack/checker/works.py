# SPDX-License-Identifier: MIT
"""The border to user space step by step, as lppack's own engine sees it (kmod/engine/border.c).

This replaces R2. A thread comes to the exit loop, where it may be preempted. It runs its queued
task works, last in first out, and only then leaves the kernel. The final fput() of a file is such a
work: it calls functions of P, may sleep there, and belongs to the visit that queued it. The engine
queues a work of its own for each thread; in it, the thread switches itself or is held.
"""

from collections.abc import Iterator
from dataclasses import replace

from lppack.checker import observe
from lppack.checker.machine import (
    Form,
    Globals,
    Kind,
    Machine,
    Moved,
    Others,
    Phase,
    Place,
    Thread,
    Turned,
    p_frames,
)
from lppack.checker.semantics import (
    Rules,
    complete,
    enter,
    flipped,
    lookup,
    ret,
    revert,
    same,
    tick_kernel,
    tick_thread,
)

FPUT, OURS, LATE = 0, 1, 2  # the final fput(); the engine's; a late one of the engine's
_RUNNER = 0  # the function that runs works, if it is in P (Machine.around)


def rules_of(rules: Rules) -> Rules:
    """Return ``rules`` with this module's R2, R4, R7, R9 and R11, and its check of the border."""
    return replace(
        rules,
        out=out,
        r2=leave,
        r4=ret_above,
        r7_thread=tick_one,
        r7_kernel=tick,
        r9=complete_and_let_go,
        r11=revert_unless_waiting,
    )


def out(m: Machine, t: Thread) -> bool:
    """Return whether a stop finds the thread out of the kernel: lpe_has_left_kernel()."""
    if t.place == Place.EXIT_LOOP:
        left = bool(t.running) or FPUT in t.works
        return not p_frames(t) and not (m.rules.checks.works_left and left)
    return t.place in (Place.USER, Place.HELD) and not p_frames(t)


def _bare(m: Machine, t: Thread) -> bool:
    """Return True if the stack has nothing but the function that runs works, if that is in P."""
    return t.inside == Form.NOT_THERE and len(t.stack) == int(m.around and bool(t.running))


def leave(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R2 in steps."""
    if t.kind == Kind.KTHREAD:
        return
    if t.place == Place.KERNEL and _bare(m, t):
        does = "ends the final fput()" if t.running else "comes to the exit loop"
        yield Moved("R2", does, k, (_at_end(t),))
        if not t.running and FPUT not in t.works:
            yield Moved("R2", "drops the last reference of a file", k, (_queue(t, FPUT),))
    elif t.place == Place.HELD:
        yield Moved("R2", "goes on", k, (_done(t),))
    elif t.place == Place.EXIT_LOOP:
        yield from _in_exit_loop(m, k, t)


def _in_exit_loop(m: Machine, k: Globals, t: Thread) -> Iterator[Moved]:
    if t.running:
        if t.running[0] == FPUT:
            yield Moved("R2", "runs the final fput()", k, (t._replace(place=Place.KERNEL),))
        else:
            yield from _own_work(m, k, t)
    elif t.works:
        taken = t._replace(running=t.works, works=())
        if m.around and not t.stack:
            taken = enter(m, taken, _RUNNER, lookup(m, k, t, _RUNNER))
        yield Moved("R2", "takes its task works", k, (taken,))
    elif t.stack:
        yield Moved("R4", "has run its task works", k, (t._replace(stack=(), in_p=0, in_k=0),))
    else:
        gone = t._replace(place=Place.USER, in_k=0)
        yield Moved("R2", "returns to user space", k, (gone,))


def _at_end(t: Thread) -> Thread:
    """Return the thread in the exit loop; its visit is over unless an fput() of it is left."""
    at_end = _done(t)
    return at_end if FPUT in (*at_end.works, *at_end.running) else at_end._replace(in_k=0)


def _queue(t: Thread, work: int) -> Thread:
    return t._replace(works=(work, *t.works))


def _done(t: Thread) -> Thread:
    return t._replace(place=Place.EXIT_LOOP, running=t.running[1:])


def _own_work(m: Machine, k: Globals, t: Thread) -> Iterator[Moved]:
    """lpe_at_work(): the thread switches or is held only in its last work, and only outside P."""
    checks, after = m.rules.checks, _done(t)
    if t.running[0] == LATE and checks.late_works:
        yield Moved("R7", "runs a work that is late, which does nothing", k, (after,))
    elif checks.own_set and p_frames(t):
        yield Moved("R7", "runs the engine's work in P, where it does nothing", k, (after,))
    elif checks.last_work and (after.running or FPUT in t.works):
        behind = _queue(after, t.running[0])
        yield Moved("R7", "puts the engine's work behind the others", k, (behind,))
    elif k.phase == Phase.TRANSITION and m.per_thread:
        saw = observe.Seen.LATE_WORK if t.running[0] == LATE else 0
        kernel, switched = flipped(m, k, after, 0)
        yield Moved("R7 R8", "switches in the engine's work", kernel, (switched,), saw)
    else:
        yield Moved("R7", "runs the engine's work", k, (after,))
        if k.phase == Phase.TRANSITION:
            held = t._replace(place=Place.HELD)
            yield Moved("R7", "is held in the engine's work", k, (held,))


def ret_above(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R4, except that the function that runs works returns only when they are done."""
    if not (m.around and t.running and len(t.stack) == 1):
        yield from ret(m, k, t, others)


def tick_one(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R7: check a thread, or queue a work of the engine for it."""
    if k.phase != Phase.TRANSITION or k.waiting:
        return
    yield from tick_thread(m, k, t, others)
    wanted = not m.per_thread or t.u[0] != k.target
    inside = t.kind == Kind.TASK and t.place not in (Place.USER, Place.HELD)
    if wanted and inside and OURS not in (*t.works, *t.running):
        yield Moved("R7", "is given a work of the engine", k, (_queue(t, OURS),))


def tick(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R7: check all threads, or open the gate, which waits for no thread."""
    if not k.waiting:
        yield from tick_kernel(m, k, threads)
        if k.phase == Phase.TRANSITION:
            waiting = int(not m.rules.checks.waits_for_nobody)
            text = "opens the gate, and cancels the works that no thread runs"
            yield Turned("R7", text, k._replace(waiting=waiting), _taken_back)
    elif not any(OURS in t.running for t in threads):
        yield Turned("R7", "goes on, as no work of its own runs", k._replace(waiting=0), same)


def _taken_back(t: Thread) -> Thread:
    return t._replace(works=tuple(work for work in t.works if work != OURS))


def _let_go(t: Thread) -> Thread:
    """Return the thread after the transition: not held, no queued work; a running one is late."""
    place = Place.EXIT_LOOP if t.place == Place.HELD else t.place
    running = tuple(LATE if work == OURS else work for work in t.running)
    return _taken_back(t)._replace(place=place, running=running)


def complete_and_let_go(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R9: release the held threads, and cancel the works of the engine that no thread runs."""
    if not k.waiting:
        for turned in complete(m, k, threads):
            yield turned._replace(each=_let_go)


def revert_unless_waiting(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R11: the operator or the deadline reverses the transition, unless the worker waits."""
    if not k.waiting:
        yield from revert(m, k, threads)
