# SPDX-License-Identifier: MIT
"""Mode refcount as the engine counts (kmod/engine/count.c): one word, and threads that end.

Calls are counted from the start of a transition. A stop that finds every visit counted arms the
word; the last visit that ends then switches the kernel. For its last steps, a thread that ends is
off the list of threads. A thread that dies in a visit leaves its count in the word. Two looks
subtract that count; between them, the engine waits for all ending threads
(synchronize_rcu_tasks()).

The upper half of the word counts entries. The model keeps only whether a thread has entered since
the first look, because nothing else depends on it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from lppack.checker.machine import (
    NEW,
    OLD,
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
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules, call, inside, same

NEVER = -99  # Word.unseen: no look has found a count


class Word(NamedTuple):
    """What the engine knows in addition to the stacks."""

    lost: int = 0  # counted visits whose threads are gone; below 0: too many subtracted
    armed: int = 0
    unseen: int = NEVER  # the count that the previous look found
    entered: int = 0  # 1: a thread has entered since then
    waits: int = 0  # 1: between the two looks


def rules_of(rules: Rules) -> Rules:
    """Return ``rules`` with one word for all threads in place of a counter in each thread."""
    return replace(
        rules,
        r3=counted_call,
        r4=counted_ret,
        r6=begin,
        r7_kernel=worker,
        r9=complete,
        r11=turn,
        r12_die=end,
    )


def word_of(k: Globals) -> Word:
    return Word(*k.word)


def counted_on(t: Thread) -> int:
    """Return how many visits of the thread are counted."""
    return sum(frame.counted for frame in t.stack)


def visits(k: Globals, threads: Others) -> int:
    """Return the number of visits that the word counts."""
    return word_of(k).lost + sum(map(counted_on, threads))


def _put(k: Globals, **changes: int) -> Globals:
    return k._replace(word=tuple(word_of(k)._replace(**changes)))


def counted_call(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3: lpe_enter(), while calls go through wrappers.

    If stops do not find ending threads, visits of these that began before the transition are left
    out: ``exits`` without ``found`` covers only counted visits.
    """
    if t.gone and not m.found and not k.armed:
        return
    for moved in call(m, k, t, others):
        if k.armed and len(moved.threads[0].stack) > len(t.stack):
            *below, frame = moved.threads[0].stack
            into = moved.threads[0]._replace(stack=(*below, frame._replace(counted=1)))
            yield moved._replace(threads=(into,), kernel=_put(k, entered=1))
        else:
            yield moved


def counted_ret(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R4: lpe_leave(); the last visit to leave an armed word switches the kernel.

    With ``oopses``, the thread may die in the visit instead.
    """
    if not t.stack or t.place != Place.KERNEL:
        return
    frame = t.stack[-1]
    popped = t._replace(stack=t.stack[:-1], in_p=t.in_p if len(t.stack) > 1 else 0)
    text = f"returns from {m.functions[frame.fn]}()"
    yield _left(k, (popped,), (popped, *others), frame.counted, text)
    if m.oopses:
        dead = _put(k, lost=word_of(k).lost + counted_on(t))
        yield Moved("R12", "dies in a visit: an oops", dead, ())


def _left(
    k: Globals, made: tuple[Thread, ...], threads: tuple[Thread, ...], counted: int, text: str
) -> Moved:
    if counted and word_of(k).armed and not visits(k, threads):
        kernel, saw = _switched(k, threads)
        return Moved("R4 R8", f"{text}, and the kernel switches", kernel, made, saw)
    return Moved("R4", text, k, made)


def _switched(k: Globals, threads: Others) -> tuple[Globals, int]:
    """Switch as lpe_switch_if_last() does; also return FLIPPED_INSIDE if a thread is inside."""
    saw = Seen.FLIPPED_INSIDE if any(p_frames(t) for t in threads) else 0
    return _put(k, armed=0)._replace(sw=(1 - k.sw[0],)), saw


def begin(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R6: lpe_count_begin()."""
    if k.phase == Phase.IDLE:
        yield Turned("R6", "apply: the transition begins", _begun(k, NEW), same)


def _begun(k: Globals, target: int) -> Globals:
    return k._replace(phase=Phase.TRANSITION, target=target, armed=1, turns=k.turns + 1)


def turn(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R11: lpe_count_end(), then lpe_count_begin() with the old universe as target."""
    busy = word_of(k).waits or k.phase not in (Phase.TRANSITION, Phase.COMPLETE)
    if m.revert and k.target != OLD and not busy:
        yield Turned(
            "R11", "revert: the transition back begins", _begun(_put(k, armed=0), OLD), same
        )


def complete(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R9: lpe_count_end(); calls no longer go through wrappers."""
    if k.phase == Phase.TRANSITION and k.sw == (k.target,) and not word_of(k).waits:
        over = _put(k, armed=0)._replace(phase=Phase.COMPLETE, armed=0)
        yield Turned("R9", "the transition is complete", over, same)


def worker(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R7: lpe_count_try() in three parts: arm, first look, second look; each is one stop."""
    if k.phase != Phase.TRANSITION:
        return
    word = word_of(k)
    if word.waits:
        if all(t.gone < _WAITED_FOR for t in threads):
            yield _look(m, k, threads, second=True)
        return
    if k.sw != (k.target,):
        if not word.armed:
            yield from _arm(m, k, threads)
        yield _look(m, _put(k, unseen=NEVER) if m.rules.checks.unseen_cleared else k, threads)


_WAITED_FOR = 2


def _found(m: Machine, threads: Others) -> list[Thread]:
    return [t for t in threads if m.found or not t.gone]


def _arm(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """Arm the word in a stop: lpe_arm()."""
    found, count = _found(m, threads), visits(k, threads)
    seen = sum(map(counted_on, found))
    before = any(p_frames(t) > counted_on(t) for t in found)
    if before or (m.rules.checks.arms_what_is_seen and count < seen):
        yield Turned("R7", "finds visits that are not counted: not armed", k, same)
        return
    kernel, saw = (_put(k, armed=1), 0) if count else _switched(k, threads)
    text = "finds every visit counted: armed" + ("" if count else ", and the kernel switches")
    yield Turned("R7" if count else "R7 R8", text, kernel, same, saw)


def _look(m: Machine, k: Globals, threads: Others, *, second: bool = False) -> Turned:
    """lpe_look(), first or second; after the first, wait for all threads that are ending."""
    word, count = word_of(k), visits(k, threads)
    k = _put(k, waits=0)
    if not count or any(map(p_frames, _found(m, threads))):
        return Turned("R7", "looks, and has nothing to subtract", k, same)
    new_ones = word.entered and m.rules.checks.entries_compared
    if word.unseen == NEVER or count != word.unseen or new_ones:
        k = _put(k, unseen=count, entered=0, waits=int(not second))
        more = "" if second else "; waits for threads that end"
        text = f"looks: {count} counted, nobody seen{more}"
        return Turned("R7", text, k, same if second else _waited_for)
    k = _put(k, lost=word.lost - count)
    saw, text = 0, f"looks: subtracts {count}"
    if word.armed:
        k, saw = _switched(k, threads)
        text += ", and the kernel switches"
    return Turned("R7 R8" if word.armed else "R7", text, k, same, saw)


def _waited_for(t: Thread) -> Thread:
    return t._replace(gone=_WAITED_FOR) if t.gone else t


def end(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R12: a thread ends in two steps: it leaves the list of threads, and later it is gone."""
    if not m.exits or t.place != Place.KERNEL or inside(t) or t.kind != Kind.TASK:
        return
    if t.gone:
        yield Moved("R12", "has ended", k, ())
    else:
        yield Moved("R12", "ends: it leaves the list of threads", k, (t._replace(gone=1),))
