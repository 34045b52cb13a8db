# SPDX-License-Identifier: MIT
"""Rules R1 to R12 of docs/semantics.md, one small function each.

A rule of a thread gets the machine, the kernel, the thread and the other threads, and yields each
step that is possible. A rule of the engine gets all threads. ``Rules`` names the functions; a test
replaces one of them to see a claim fail.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from lppack.checker.area import (
    Checks,
    area_count,
    area_frames,
    counted,
    counts,
    in_user_space,
    wrong_count,
)
from lppack.checker.data import DataRules
from lppack.checker.machine import (
    NOTHING,
    OLD,
    ON_THE_WAY,
    OUTSIDE,
    Form,
    Frame,
    Globals,
    Hook,
    Kind,
    Machine,
    Moved,
    Others,
    Phase,
    Place,
    Thread,
    Turned,
    done,
    p_frames,
)
from lppack.consistency import Leave, Transform

ThreadRule = Callable[[Machine, Globals, Thread, Others], Iterator[Moved]]
EngineRule = Callable[[Machine, Globals, Others], Iterator[Turned]]
Flipped = tuple[Globals, Thread]


def lookup(m: Machine, k: Globals, t: Thread, fn: int) -> int:
    """Return the universe for a call of ``fn``: S_FUNCTION sw[f]; S_THREAD u[t]; S_KERNEL U."""
    return (t.u if m.per_thread else k.sw)[fn if m.per_function else 0]


def enter(m: Machine, t: Thread, fn: int, univ: int) -> Thread:
    """Push an activation; record its universe if visits are watched."""
    return t._replace(
        stack=(*t.stack, Frame(fn, univ)),
        in_p=t.in_p | 1 << univ if m.watch_p else 0,
        in_k=t.in_k | 1 << univ if m.watch_kernel else 0,
    )


# --- threads ---


def enter_kernel(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R1: user to kernel; count with L_KERNEL. A gate is closed during a transition."""
    if t.place == Place.USER and not (m.gate and k.phase == Phase.TRANSITION):
        inside = counted(m, k, t._replace(place=Place.KERNEL), Leave.LEAVE_KERNEL, 1)
        yield Moved("R1", "enters the kernel", k, (inside,))


def exit_kernel(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R2: kernel to user, with an empty stack; then R8 (hook BORDER, or EXIT with L_KERNEL)."""
    if t.kind == Kind.TASK and t.place == Place.KERNEL and not inside(t):
        out = counted(m, k, t._replace(place=Place.USER, in_k=0), Leave.LEAVE_KERNEL, -1)
        watched = m.hook is Hook.BORDER or m.leave is Leave.LEAVE_KERNEL
        yield left(m, k, out, others, "R2", "returns to user space", watched=watched)


def left(
    m: Machine, k: Globals, t: Thread, others: Others, rule: str, text: str, *, watched: bool
) -> Moved:
    """Return the step, together with R8 if the engine flips at this place and the area is empty."""
    if watched and m.hook is not Hook.TICK and k.phase == Phase.TRANSITION:
        flipped = m.rules.flip(m, k, t, others, 0) if m.words == 1 else None
        if flipped and flipped != (k, t):
            return Moved(f"{rule} R8", f"{text}, and {flips(m)}", flipped[0], (flipped[1],))
    return Moved(rule, text, k, (t,))


def flips(m: Machine) -> str:
    return "switches" if m.per_thread else "the kernel switches"


def call(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3: first count, then look up, then push, in one step. While ``spin`` is set, wait (T2)."""
    if t.place != Place.KERNEL or k.spin:
        return
    if t.inside in ON_THE_WAY:
        yield goes_on(m, k, t)
    if t.inside != Form.NOT_THERE:
        return
    for fn in m.callees(t):
        t1 = counted(m, k, t, Leave.LEAVE_PATCHED_SET, 1)
        univ = lookup(m, k, t1, fn)
        if m.preempted:
            t1 = t1._replace(inside=Form.IN_HANDLER, pending=(fn, univ))
            text = f"calls {m.functions[fn]}(): ftrace decides for {named(univ)} one"
        else:
            t1, text = enter(m, t1, fn, univ), f"calls {named(univ)} {m.functions[fn]}()"
        yield Moved("R3", text, k, (t1,))


def goes_on(m: Machine, k: Globals, t: Thread) -> Moved:
    """Return the next step of a call that is in ftrace (R3); the last one enters the function."""
    if t.inside == Form.IN_HANDLER:
        back = t._replace(inside=Form.IN_TRAMPOLINE)
        return Moved("R3", "returns from ftrace's handler, into the trampoline", k, (back,))
    fn, univ = t.pending
    there = enter(m, t._replace(inside=Form.NOT_THERE, pending=(NOTHING, NOTHING)), fn, univ)
    return Moved("R3", f"enters {named(univ)} {m.functions[fn]}()", k, (there,))


def inside(t: Thread) -> bool:
    """Return True if the thread is in a call, or on its way into one."""
    return bool(t.stack) or t.inside != Form.NOT_THERE


def named(univ: int) -> str:
    return ("the old", "the new", "the newest")[univ]


def ret(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R4: pop; then R8 (the exit callback) if the count of the area reached zero."""
    if t.place != Place.KERNEL or t.inside != Form.NOT_THERE or not t.stack:
        return
    frame = t.stack[-1]
    if frame.univ == OUTSIDE or frame.holds != NOTHING or (frame.fn in m.stays):
        return
    popped = t._replace(stack=t.stack[:-1])
    if not p_frames(popped):
        popped = popped._replace(in_p=0)
    popped = counted(m, k, popped, Leave.LEAVE_PATCHED_SET, -1)
    text = f"returns from {named(frame.univ)} {m.functions[frame.fn]}()"
    watched = m.hook is Hook.EXIT and m.leave is not Leave.LEAVE_KERNEL
    yield left(m, k, popped, others, "R4", text, watched=watched)


def block(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R5: falls asleep and wakes; keeps its stack, and so its counts."""
    if m.blocking and t.place == Place.KERNEL and t.stack and t.inside == Form.NOT_THERE:
        yield Moved("R5", "falls asleep", k, (t._replace(place=Place.BLOCKED),))
    if t.place == Place.BLOCKED:
        yield Moved("R5", "wakes", k, (t._replace(place=Place.KERNEL),))


def create(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R12: create a child. Its stack is empty, it inherits u[parent], and R9 waits for it."""
    able = t.place == Place.KERNEL and not t.stack and t.kind == Kind.TASK
    if able and len(others) + 1 < m.births:
        child = counted(m, k, Thread(place=Place.KERNEL, u=t.u), Leave.LEAVE_KERNEL, 1)
        yield Moved("R12", "makes a thread", k, (t, child))


def die(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R12: a thread dies in the kernel, with an empty stack; R9 no longer waits for it. With hook
    EXIT, R8 follows if only this thread kept the count above zero."""
    if m.births and t.place == Place.KERNEL and not inside(t) and t.kind == Kind.TASK and others:
        after = k
        if m.hook is Hook.EXIT and not m.per_thread and k.phase == Phase.TRANSITION:
            out = t._replace(place=Place.USER, cnt=0)
            after = (m.rules.flip(m, k, out, others, 0) or (k, t))[0]
        yield Moved("R12", "dies", after, ())


# --- the engine ---


def flip(m: Machine, k: Globals, t: Thread, others: Iterable[Thread], word: int) -> Flipped | None:
    """R8: in a transition, give the unit the target if its area is empty; else return None."""
    threads = (t,) if m.per_thread else chain((t,), others)
    if k.phase != Phase.TRANSITION or any(area_count(m, x, word) for x in threads):
        return None
    return flipped(m, k, t, word)


def flipped(m: Machine, k: Globals, t: Thread, word: int) -> Flipped:
    """Return kernel and thread once the unit of ``word`` has the target; T1, T2 begin here."""
    if m.per_thread:
        return k, t._replace(u=changed(t.u, word, k.target))
    if k.sw[word] == k.target:
        return k, t
    k = k._replace(sw=changed(k.sw, word, k.target))
    if m.transform is Transform.TRANSFORM_WORLD:
        # With counting, the callback cannot stop the others where they are: they spin at entry.
        k = k._replace(spin=1) if counts(m) else k._replace(stopped=1)
    return k, t


def changed(words: tuple[int, ...], word: int, value: int) -> tuple[int, ...]:
    return (*words[:word], value, *words[word + 1 :])


def tick_thread(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R7 for SWITCH_THREAD: the engine checks one thread, at any time."""
    if m.per_thread and m.hook is not Hook.EXIT and k.phase == Phase.TRANSITION:
        for word in range(m.words):
            result = m.rules.flip(m, k, t, others, word)
            if result and result != (k, t):
                yield Moved("R7 R8", "is found outside, and switches", k, (result[1],))


def tick_kernel(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R7 for units of the whole kernel: the engine checks all threads, at any time."""
    if m.per_thread or k.phase != Phase.TRANSITION or (m.hook is Hook.EXIT and m.words == 1):
        return
    for word in range(m.words):
        rest = iter(threads)
        result = m.rules.flip(m, k, next(rest), rest, word)
        if result and result[0] != k:
            what = m.functions[word] + "()" if m.per_function else "the kernel"
            yield Turned("R7 R8", f"{what} switches", result[0], same)


def same(t: Thread) -> Thread:
    return t


def recount(m: Machine, t: Thread) -> Thread:
    """Return the thread with its counter set to what a stack check finds: the arming of R6."""
    return t._replace(cnt=area_frames(m, t, 0)) if counts(m) else t


def begin(m: Machine, k: Globals, threads: Others, target: int, rule: str, text: str) -> Turned:
    """Return the step that R6 and R11 share: set the target, and arm the counters.

    With hook EXIT, the same step does R8 for each unit whose count is zero.
    """
    k = k._replace(phase=Phase.TRANSITION, target=target, armed=1, turns=k.turns + 1)
    at_once = m.hook is Hook.EXIT and m.words == 1

    def each(t: Thread) -> Thread:
        t = m.rules.arm(m, t)
        if at_once and m.per_thread:
            result = m.rules.flip(m, k, t, (), 0)
            return result[1] if result else t
        return t

    after = k
    if at_once and not m.per_thread:
        rest = (m.rules.arm(m, t) for t in threads)
        first = next(rest)
        after = (m.rules.flip(m, k, first, rest, 0) or (k, first))[0]
    return Turned(rule, text, after, each)


def apply(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R6: apply the next of ``m.upgrades``; the one before must be complete."""
    ready = Phase.COMPLETE if k.turns else Phase.IDLE
    if k.phase == ready and k.turns < len(m.upgrades):
        target = m.upgrades[k.turns]
        yield begin(m, k, threads, target, "R6", "apply: the transition begins")


def complete(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R9: all switch words have the target."""
    if k.phase == Phase.TRANSITION and not k.stopped and not k.spin and done(k, threads):
        yield Turned("R9", "the transition is complete", k._replace(phase=Phase.COMPLETE), same)


def revert(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R11: make old the target again, also by reversing a transition that is under way. Converted
    data is reversed first (T4); if that is impossible, the revert is refused."""
    if not m.revert or k.target == OLD:
        return
    if m.transform is Transform.TRANSFORM_WORLD and not m.reversible:
        return
    by_undoing = m.objects and m.transform is Transform.TRANSFORM_ON_ACCESS
    if (
        k.phase == Phase.TRANSITION
        or (k.phase == Phase.COMPLETE and not by_undoing)
        or (k.phase == Phase.UNDOING and m.rules.data.undone(m, k, threads))
    ):
        yield begin(m, k, threads, OLD, "R11", "revert: the transition back begins")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The function that implements each rule."""

    r1: ThreadRule = enter_kernel
    r2: ThreadRule = exit_kernel
    r3: ThreadRule = call
    r4: ThreadRule = ret
    r5: ThreadRule = block
    r6: EngineRule = apply
    arm: Callable[[Machine, Thread], Thread] = recount  # R6: counters
    r7_thread: ThreadRule = tick_thread
    r7_kernel: EngineRule = tick_kernel
    flip: Callable[[Machine, Globals, Thread, Iterable[Thread], int], Flipped | None] = flip  # R8
    r9: EngineRule = complete
    r11: EngineRule = revert
    r12_create: ThreadRule = create
    r12_die: ThreadRule = die
    data: DataRules = field(default_factory=DataRules)  # T1 to T4
    wrong_count: Callable[[Machine, Thread], bool] = wrong_count  # I7
    out: Callable[[Machine, Thread], bool] = in_user_space
    checks: Checks = field(default_factory=Checks)
    world_stops: bool = True  # T1: while the world is stopped, no thread moves


def thread_steps(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """Yield every step that one thread may take now."""
    r: Rules = m.rules
    if k.stopped and r.world_stops:
        return
    yield from r.r1(m, k, t, others)
    yield from r.r2(m, k, t, others)
    yield from r.r3(m, k, t, others)
    yield from r.r4(m, k, t, others)
    yield from r.r5(m, k, t, others)
    yield from r.r7_thread(m, k, t, others)
    if m.births:
        yield from r.r12_create(m, k, t, others)
    if m.births or m.exits:
        yield from r.r12_die(m, k, t, others)
    if m.objects:
        yield from r.data.access(m, k, t, others)
        if m.holders:
            yield from r.data.hold(m, k, t, others)


def engine_steps(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """Yield every step that the engine may take now."""
    r: Rules = m.rules
    if k.stopped or k.spin:
        yield from r.data.world(m, k, threads)
        return
    yield from r.r6(m, k, threads)
    yield from r.r7_kernel(m, k, threads)
    yield from r.r9(m, k, threads)
    yield from r.r11(m, k, threads)
    if m.objects:
        yield from r.data.placed(m, k, threads)
        yield from r.data.enable(m, k, threads)
        yield from r.data.undo(m, k, threads)
