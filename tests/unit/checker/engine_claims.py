# SPDX-License-Identifier: MIT
"""Claims C33 to C38 of docs/semantics.md 1.9: how engines do what the mail asks for.

The machines have the steps in which faults were found: task work at the border, threads that end,
a thread that is preempted in the ftrace call. They are too many for any number of threads: "never"
is for one and for two.
"""

from collections.abc import Callable
from typing import Any

from lppack.checker import upstream, visits, works
from lppack.checker.explorer import explore
from lppack.checker.machine import Hook, Kind, Machine, Method, State
from lppack.checker.observe import Seen
from lppack.checker.runs import Run, shortest
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch
from tests.unit.checker.claims import CLAIMS, claim, machine
from tests.unit.checker.mutations import mutated

L_P, L_K = Leave.LEAVE_PATCHED_SET, Leave.LEAVE_KERNEL
S_T, S_K = Switch.SWITCH_THREAD, Switch.SWITCH_KERNEL
TASK, KTHREAD = Kind
#: The modes of lppack's own engine that look at stacks, and what must not be seen in them.
MODES = {
    "hybrid": (L_P, S_T, Seen.MIX_IN_P),
    "kpatch": (L_P, S_K, Seen.MIX_IN_P | Seen.BOTH_AT_ONCE),
    "kgraft": (L_K, S_T, Seen.MIX_IN_P | Seen.MIX_IN_KERNEL),
    "checkpoint": (L_K, S_K, Seen.MIX_IN_P | Seen.MIX_IN_KERNEL | Seen.BOTH_AT_ONCE),
}
#: P holds what runs task works, and what such a work calls.
AROUND = {
    "around": True,
    "functions": ("task_work_run", "release"),
    "calls": ((1,), ()),
    "roots": (1,),
    "depth": 2,
}
NESTED = {"functions": ("outer", "inner"), "calls": ((1,), ()), "roots": (0,), "depth": 2}


def of_mode(rules: Rules, mode: str, **more: Any) -> Machine:
    """The mode as lppack's own engine runs it; kernel threads switch by a stack check."""
    leave, switch, flags = MODES[mode]
    more = {"watch_kernel": bool(flags & Seen.MIX_IN_KERNEL), **more}
    hook = Hook.BORDER if switch is S_T else Hook.TICK
    return machine(rules, leave, switch, hook=hook, kthreads=L_P, revert=True, **more)


def bordered(rules: Rules, mode: str, **more: Any) -> Machine:
    return of_mode(works.rules_of(rules), mode, **more)


def clear(m: Machine, flags: int, *kinds: tuple[int, ...]) -> bool:
    """All is explored with each of these sets of threads, and nothing of ``flags`` is seen."""
    for threads in kinds or ((TASK,), (TASK, TASK)):
        found = explore(m, threads)
        assert found.whole
        if found.seen & flags:
            return False
    return True


@claim("C33", "works-forgotten", "not-the-last", "skip-the-check")
def c33(rules: Rules) -> bool:
    """Task work belongs to the system call that queued it: a thread in the exit loop that has such
    work left is inside. hybrid, kpatch: I2; kgraft: I2, I3; checkpoint: I2 to I4."""
    return all(clear(bordered(rules, mode), MODES[mode][2]) for mode in MODES)


@claim("C34", "own-stack-unread", "own-set-unread")
def c34(rules: Rules) -> bool:
    """In the engine's task work, a thread switches itself only while it is outside of P, even if P
    contains the functions that run task works: I2 to I4, I6."""
    bad = Seen.OLD_AFTER_DONE
    return all(clear(bordered(rules, mode, **AROUND), MODES[mode][2] | bad) for mode in MODES)


@claim("C35", "waits-for-works", "late-works-act")
def c35(rules: Rules) -> bool:
    """L9 holds while a task work sleeps for ever. A work that outlasts its transition does
    nothing."""
    bad = Seen.STUCK | Seen.LATE_WORK
    kinds = ((TASK,),)  # whoever sleeps is enough
    return all(clear(bordered(rules, mode, blocking=True), bad, *kinds) for mode in MODES)


def counted(rules: Rules, **more: Any) -> Machine:
    """Mode refcount as count.c has it."""
    by_word = visits.rules_of(rules)
    return machine(by_word, L_P, S_K, method=Method.WORD, revert=True, watch_kernel=False, **more)


def with_lost(m: Machine, threads: int, lost: int) -> State:
    """The word says so many more than there are."""
    kernel, tasks = m.first((TASK,) * threads)
    return kernel._replace(word=tuple(visits.Word(lost=lost))), tasks


@claim("C36", "unseen-kept", "entries-not-compared", "arms-too-low")
def c36(rules: Rules) -> bool:
    """Counting with threads that exit, or die, in a visit: the kernel never switches with a thread
    inside, whether a stop finds such threads or not, and also if the count is too low (I4, I7)."""
    bad = Seen.FLIPPED_INSIDE | Seen.MIX_IN_P | Seen.BOTH_AT_ONCE | Seen.OLD_AFTER_DONE
    ending = [counted(rules, exits=True, oopses=True, found=found) for found in (True, False)]
    low = counted(rules, oopses=True)
    return all(clear(m, bad) for m in ending) and not any(
        explore(low, first=with_lost(low, n, -1)).seen & bad for n in (1, 2)
    )


@claim("C37", "calls-not-seen", "skip-the-check")
def c37(rules: Rules) -> bool:
    """A thread that is preempted in the ftrace call has its universe already, but no frame of it.
    It counts as inside, because of the address of the old function on its stack (I2 to I4, I6)."""
    kthreads = Seen.MIX_IN_KERNEL  # they have no border: I3 is not for them
    bad = Seen.OLD_AFTER_DONE
    return all(
        clear(of_mode(rules, mode, preempted=True, depth=2), flags | bad)
        and clear(
            of_mode(rules, mode, preempted=True, depth=2),
            flags & ~kthreads | bad,
            (KTHREAD, KTHREAD),
        )
        for mode, (_, _, flags) in MODES.items()
    )


def livepatch(rules: Rules, **more: Any) -> Machine:
    """The kernel's own engine: outer() calls inner(), and both are replaced."""
    by_address = upstream.rules_of(rules)
    return machine(by_address, L_P, S_T, hook=Hook.BORDER, kthreads=L_P, **NESTED, **more)


@claim("C38", "calls-count", "skip-the-check")
def c38(rules: Rules) -> bool:
    """The kernel's own livepatch searches the stack for the function that the thread must leave. If
    kernel code is not preempted, that keeps I2. If it is, only the first patch keeps I2: a revert,
    and a live patch that is enabled above another, reach a mix in one visit, and complete with a
    thread inside. To refuse a stack that holds the ftrace handler is not enough."""
    bad = Seen.MIX_IN_P | Seen.OLD_AFTER_DONE
    pairs = ((KTHREAD,), (KTHREAD, KTHREAD), (TASK, KTHREAD))
    kept = (
        livepatch(rules, revert=True, upgrades=(1, 2)),
        livepatch(rules, preempted=True),
    )
    without_handler = mutated("handler-counts") if rules.flip is Rules().flip else rules
    broken = [
        livepatch(of, preempted=True, **how)
        for of in (rules, without_handler)
        for how in ({"revert": True}, {"upgrades": (1, 2)})
    ]
    return all(clear(m, bad, *pairs) for m in kept) and all(
        explore(m, (KTHREAD,)).seen & bad == bad for m in broken
    )


ALL = CLAIMS

#: Faults that were in an engine: where they are put back, and what is seen then.
RUNS: dict[str, tuple[Callable[[Rules], Machine], Seen]] = {
    "works-forgotten": (lambda rules: bordered(rules, "kgraft"), Seen.MIX_IN_KERNEL),
    "not-the-last": (lambda rules: bordered(rules, "checkpoint"), Seen.MIX_IN_KERNEL),
    "waits-for-works": (lambda rules: bordered(rules, "hybrid", blocking=True), Seen.STUCK),
    "own-stack-unread": (lambda rules: bordered(rules, "hybrid", **AROUND), Seen.MIX_IN_P),
    "unseen-kept": (
        lambda rules: counted(rules, exits=True, found=False),
        Seen.FLIPPED_INSIDE,
    ),
    "calls-not-seen": (
        lambda rules: of_mode(rules, "kpatch", preempted=True, **NESTED),
        Seen.MIX_IN_P,
    ),
}


def run_of(fault: str) -> Run | None:
    """A shortest run that shows ``fault``."""
    made, flag = RUNS[fault]
    return shortest(made(mutated(fault)), flag, most=2)


def run_of_upstream(*, above: bool) -> Run | None:
    """The kernel's own engine on a kernel that preempts: a revert, or a live patch above."""
    more: dict[str, Any] = {"upgrades": (1, 2)} if above else {"revert": True}
    return shortest(livepatch(Rules(), preempted=True, **more), Seen.MIX_IN_P, most=1)
