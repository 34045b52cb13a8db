# SPDX-License-Identifier: MIT
"""Faults to be caught: each replaces one rule of the machine by one that is wrong."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from lppack.checker import data, semantics, upstream
from lppack.checker.area import Checks
from lppack.checker.machine import (
    NEW,
    OLD,
    ON_THE_WAY,
    Form,
    Globals,
    Machine,
    Moved,
    Object,
    Others,
    Phase,
    Thread,
    Turned,
    done,
    p_frames,
)
from lppack.checker.semantics import Flipped, Rules
from lppack.consistency import Transform


def count_after_lookup(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3 in the wrong order: it reads the universe first, and counts the entry after that."""
    if t.inside == Form.LOOKED_UP:
        for moved in semantics.call(m, k, data.outside(t), others):
            fn, univ = t.pending
            entered = moved.threads[0]
            if entered.stack[-1].fn == fn:
                late = semantics.enter(m, data.outside(t), fn, univ)._replace(cnt=entered.cnt)
                yield moved._replace(threads=(late,))
        return
    for moved in semantics.call(m, k, t, others):
        frame = moved.threads[0].stack[-1]
        looked = t._replace(inside=Form.LOOKED_UP, pending=(frame.fn, frame.univ))
        yield Moved("R3", "looks up", k, (looked,))


def counters_from_zero(m: Machine, t: Thread) -> Thread:
    """R6 without the stack check."""
    return t._replace(cnt=0)


def skip(m: Machine, k: Globals, t: Thread, others: Iterable[Thread], word: int) -> Flipped | None:
    """R10: R8 without its guard."""
    return semantics.flipped(m, k, t, word) if k.phase == Phase.TRANSITION else None


def out_of_p(
    m: Machine, k: Globals, t: Thread, others: Iterable[Thread], word: int
) -> Flipped | None:
    """R8 accepts LEAVE_PATCHED_SET, whichever LEAVE flag was requested."""
    threads = (t,) if m.per_thread else (t, *others)
    if any(p_frames(x) for x in threads):
        return None
    return skip(m, k, t, others, word)


def spins_not(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3 that does not wait while the transform runs (T2)."""
    yield from semantics.call(m, k._replace(spin=0), t, others)


def keeps_spin(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3 does not wait while the transform runs (T2), and the spin flag stays set."""
    for moved in spins_not(m, k, t, others):
        yield moved._replace(kernel=moved.kernel._replace(spin=k.spin))


def new_waits(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3 lets no new function run before the transition is complete."""
    for moved in semantics.call(m, k, t, others):
        if moved.threads[0].stack[-1].univ == OLD or k.phase == Phase.COMPLETE:
            yield moved


def new_waits_for_old(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3 lets no new function run while an old one runs."""
    for moved in semantics.call(m, k, t, others):
        old = any(frame.univ == OLD for x in (t, *others) for frame in x.stack)
        if moved.threads[0].stack[-1].univ == OLD or not old:
            yield moved


def new_waits_for_data(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """R3 lets no new function run before all data is new."""
    for moved in semantics.call(m, k, t, others):
        if moved.threads[0].stack[-1].univ == OLD or all(o.form == NEW for o in k.data):
            yield moved


def converts_all(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """The flag of T3 converts all objects in one step."""
    for turned in data.enable(m, k, threads):
        made = tuple(data.written(m, o) for o in k.data)
        yield turned._replace(kernel=turned.kernel._replace(data=made))


def converts_early(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """T3 does not wait for R9."""
    begun = k.target != OLD and k.phase in (Phase.TRANSITION, Phase.COMPLETE)
    if m.transform is Transform.TRANSFORM_ON_ACCESS and begun and not k.conv:
        yield Turned("T3", "conversion is enabled", k._replace(conv=1), semantics.same)


def another_transition(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """T3 starts a second transition."""
    for turned in data.enable(m, k, threads):
        yield turned._replace(kernel=turned.kernel._replace(turns=k.turns + 1))


def no_registry(m: Machine, o: Object) -> Object:
    """T3 tracks nothing."""
    return data.written(m, o)._replace(tracked=0)


def not_forgotten(m: Machine, k: Globals, t: Thread, number: int) -> Iterator[Moved]:
    """A tracked object is freed, and stays in the registry."""
    o = k.data[number]._replace(live=0)
    yield Moved("T3", "frees an object", data.put(k, number, o), (t,))


def late_convert(k: Globals) -> bool:
    """1.8: the flag is not read again under the lock."""
    return True


def waits_for_no_conversion(m: Machine, k: Globals, threads: Others) -> bool:
    """T4 reverses the objects that are tracked now, and does not wait for a running conversion."""
    return not any(o.tracked for o in k.data)


def no_reverse(m: Machine, o: Object, target: int) -> Object:
    """T4 (WORLD) flips back and leaves the data unchanged."""
    return o if target == OLD else data.convert_one(m, o, target)


def keeps_half(m: Machine, k: Globals, made: tuple[Object, ...]) -> Globals:
    """T1 gives up at an object, and leaves the objects before it converted."""
    return data.refused(m, k, made)._replace(data=(*made[:1], *k.data[1:]))


def untagged(m: Machine, o: Object, target: int) -> Object:
    """T1 does not check whether an object is converted already."""
    return data.convert_one(replace(m, tagged=False), o, target)


def second_patch_early(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R6 begins the second patch before the first is complete."""
    early = k._replace(phase=Phase.COMPLETE if k.turns else k.phase)
    yield from semantics.apply(m, early, threads)


def completes_early(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R9 waits for no thread."""
    if k.phase == Phase.TRANSITION and not done(k, threads):
        yield Turned("R9", "complete", k._replace(phase=Phase.COMPLETE), semantics.same)
    yield from semantics.complete(m, k, threads)


def reverts_at_once(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """R11 does not do T4 first."""
    yield from semantics.revert(replace(m, objects=0), k, threads)


def skips_the_idle(
    m: Machine, k: Globals, t: Thread, others: Iterable[Thread], word: int
) -> Flipped | None:
    """R8 ignores threads in user space (an engine with exit callbacks only)."""
    return None if t.place == 0 else semantics.flip(m, k, t, others, word)


def calls_count(
    m: Machine, k: Globals, t: Thread, others: Iterable[Thread], word: int
) -> Flipped | None:
    """The kernel's own check, changed so that every thread in an ftrace call counts as inside,
    whichever function it must leave."""
    if t.inside in ON_THE_WAY:
        return None
    return upstream.looks_for_addresses(m, k, t, others, word)


def handler_counts(
    m: Machine, k: Globals, t: Thread, others: Iterable[Thread], word: int
) -> Flipped | None:
    """The kernel's own check, changed so that a thread in ftrace's handler counts as inside, but a
    thread that is back in the trampoline does not."""
    if t.inside == Form.IN_HANDLER:
        return None
    return upstream.looks_for_addresses(m, k, t, others, word)


#: What is put in the place of which rule; "data." stands before those of T1 to T4, "checks." before
#: what an engine looks at.
FAULTS: dict[str, dict[str, object]] = {
    "count-after-lookup": {"r3": count_after_lookup},
    "counters-from-zero": {"arm": counters_from_zero},
    "skip-the-check": {"flip": skip},
    "out-of-p-is-enough": {"flip": out_of_p},
    "idle-threads-forgotten": {"flip": skips_the_idle},
    "no-spinning": {"r3": keeps_spin},
    "new-waits": {"r3": new_waits},
    "new-waits-for-old": {"r3": new_waits_for_old},
    "new-waits-for-data": {"r3": new_waits_for_data, "data.enable": converts_all},
    "converts-all": {"data.enable": converts_all},
    "converts-early": {"data.enable": converts_early},
    "another-transition": {"data.enable": another_transition},
    "no-registry": {"data.written": no_registry},
    "not-forgotten": {"data.free": not_forgotten},
    "late-convert": {"data.rechecks": late_convert},
    "waits-for-no-conversion": {"data.undone": waits_for_no_conversion},
    "reverse-without-lock": {"data.reverse_locks": False},
    "no-reverse": {"data.convert_one": no_reverse},
    "untagged": {"data.convert_one": untagged},
    "keeps-half": {"data.refused": keeps_half},
    "second-patch-early": {"r6": second_patch_early},
    "completes-early": {"r9": completes_early},
    "reverts-at-once": {"r11": reverts_at_once},
    "world-moves": {"world_stops": False},
    "works-forgotten": {"checks.works_left": False},
    "not-the-last": {"checks.last_work": False},
    "own-set-unread": {"checks.own_set": False},
    "own-stack-unread": {"checks.own_set": False, "checks.last_work": False},
    "waits-for-works": {"checks.waits_for_nobody": False},
    "late-works-act": {"checks.late_works": False},
    "unseen-kept": {"checks.unseen_cleared": False},
    "entries-not-compared": {"checks.entries_compared": False},
    "arms-too-low": {"checks.arms_what_is_seen": False},
    "calls-not-seen": {"checks.calls": False},
    "calls-count": {"flip": calls_count},
    "handler-counts": {"flip": handler_counts},
}
#: What the faults are that are no functions.
SWITCHES = {
    "reverse-without-lock": "T4 reverses an object while a thread holds its lock.",
    "world-moves": "The stop of T1 stops no thread.",
    "works-forgotten": "A stop counts a thread in the exit loop as outside, also with task work.",
    "not-the-last": "The engine's task work does not check whether other works come after it.",
    "own-set-unread": "The engine's task work does not check whether its thread is in P.",
    "own-stack-unread": "own-set-unread and not-the-last together: the thread counts as outside.",
    "waits-for-works": "The worker opens the gate, and then waits for its works that still run.",
    "late-works-act": "A task work does not check whether its transition is over.",
    "unseen-kept": "A pair of checks starts with the count that an earlier pair has found.",
    "entries-not-compared": "An equal number of visits is treated as the same visits.",
    "arms-too-low": "The word is armed although it counts fewer visits than are on the stacks.",
    "calls-not-seen": "The stack check looks only for functions that were entered.",
}


def mutated(fault: str, rules_: Rules | None = None) -> Rules:
    """The rules (the right ones, if none are given) with ``fault``."""
    made = rules_ or Rules()
    of_data, of_checks = (
        {
            name.removeprefix(part): value
            for name, value in FAULTS[fault].items()
            if name.startswith(part)
        }
        for part in ("data.", "checks.")
    )
    others: dict[str, Any] = {name: v for name, v in FAULTS[fault].items() if "." not in name}
    changed: data.DataRules = replace(made.data, **of_data)  # type: ignore[arg-type]
    checks: Checks = replace(made.checks, **of_checks)  # type: ignore[arg-type]
    return replace(made, data=changed, checks=checks, **others)
