# SPDX-License-Identifier: MIT
"""The state of a simulated kernel, docs/semantics.md 1.1: threads, stacks, universes, objects.

Values are integers and tuples, so that a state can be hashed, compared and sorted.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any, NamedTuple

from lppack.consistency import Leave, Switch, Transform

OLD, NEW = 0, 1
OUTSIDE = -1  # universe of a function that is not in P
NOTHING = -1  # no pointer is held; no function or object is pending


class Kind(IntEnum):
    TASK = 0
    KTHREAD = 1


class Place(IntEnum):
    USER = 0
    KERNEL = 1
    BLOCKED = 2  # asleep in the kernel; keeps its stack
    EXIT_LOOP = 3  # if works are modelled: only task works are left to run
    HELD = 4  # in the engine's task work, at its gate


class Phase(IntEnum):
    IDLE = 0
    TRANSITION = 1
    COMPLETE = 2
    UNDOING = 3  # T4: conversion is off, tracked objects are being reversed


class Form(IntEnum):
    """How far a thread is in a step that is not atomic in a kernel (semantics, 1.8)."""

    NOT_THERE = 0
    LOOKED_UP = 1  # only with a fault: the universe was read before counting
    FLAG_READ = 2  # the conversion flag was seen set, the object is not locked yet
    RECHECKED = 3  # holds the object's lock, and has read the flag again
    LOCKED_OLD = 4  # holds the lock, and found the old form
    LOCKED_NEW = 5
    IN_HANDLER = 6  # in ftrace's handler: the universe is chosen, no frame exists yet
    IN_TRAMPOLINE = 7  # the handler has returned; the next jump is to the function


ON_THE_WAY = (Form.IN_HANDLER, Form.IN_TRAMPOLINE)


class Frame(NamedTuple):
    """An activation; the universe is bound when it is entered (I1)."""

    fn: int
    univ: int = OUTSIDE
    holds: int = NOTHING  # generation of the object whose pointer it holds
    counted: int = 0  # 1: the word counts this visit (Method.WORD)


class Thread(NamedTuple):
    kind: int = Kind.TASK
    place: int = Place.USER
    u: tuple[int, ...] = ()  # switch words; empty unless they belong to threads
    cnt: int = 0
    stack: tuple[Frame, ...] = ()  # outermost first
    in_p: int = 0  # bits: universes seen in this visit to P
    in_k: int = 0  # bits: universes seen in this visit to the kernel
    inside: int = Form.NOT_THERE
    pending: tuple[int, int] = (NOTHING, NOTHING)  # (function, universe) or (object, NOTHING)
    works: tuple[int, ...] = ()  # task works, the next first
    running: tuple[int, ...] = ()  # works that task_work_run() has taken; the first one runs
    gone: int = 0  # 1: off the list of threads; 2: and the engine waits for its end


class Object(NamedTuple):
    """One instance of the type that a transform changes."""

    form: int = OLD
    live: int = 1
    tracked: int = 0
    locked: int = 0
    gen: int = 0  # generation, modulo 4: conversion moves the object to other memory
    rooted: int = 1  # 0: only a stack has its pointer
    passes: int = 0  # how often it was converted, modulo 4


class Globals(NamedTuple):
    """The state that belongs to no single thread."""

    phase: int = Phase.IDLE
    target: int = OLD
    sw: tuple[int, ...] = ()  # switch words; empty if they belong to threads
    conv: int = 0
    stopped: int = 0
    spin: int = 0
    data: tuple[Object, ...] = ()
    armed: int = 0  # 1: counters count entries and exits
    turns: int = 0  # transitions begun
    waiting: int = 0  # 1: the engine's worker waits for its running works
    word: tuple[int, ...] = ()  # Method.WORD: the fields of visits.Word


State = tuple[Globals, tuple[Thread, ...]]
Others = Collection[Thread]  # rules only check whether one exists; births count them


class Moved(NamedTuple):
    """One step of one thread: the kernel after it, and the threads that replace the thread."""

    rule: str
    text: str
    kernel: Globals
    threads: tuple[Thread, ...]
    saw: int = 0  # Seen


class Turned(NamedTuple):
    """One step of the engine: the kernel after it, and ``each``, which changes every thread."""

    rule: str
    text: str
    kernel: Globals
    each: Callable[[Thread], Thread]
    saw: int = 0


class Method(Enum):
    """How the engine finds out whether a thread is in its area."""

    STACK = "stack"
    COUNT = "count"
    WORD = "word"  # as count.c: one word for all threads


class Hook(Enum):
    """When a unit may flip."""

    EXIT = "exit"  # where a count reaches zero, and at apply
    BORDER = "border"  # at the return to user space, and in a tick
    TICK = "tick"  # in a tick alone


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """The parameters of one model; compared and hashed by identity."""

    rules: Any  # semantics.Rules, whose module imports this one
    leave: Leave
    switch: Switch
    strict: bool = False  # LEAVE_FUNCTION where each function flips when it has no frame
    method: Method = Method.STACK
    hook: Hook = Hook.EXIT
    kthreads: Leave = Leave.LEAVE_KERNEL  # what kernel threads leave in L_KERNEL modes
    functions: tuple[str, ...] = ("f",)  # P
    outside: tuple[str, ...] = ()  # functions outside P
    holders: tuple[str, ...] = ()  # functions, in P or not, that hold an object's pointer
    unlinks: bool = False  # while its pointer is held, no global root leads to the object
    calls: tuple[tuple[int, ...], ...] = ()  # callees of each function; empty: any may call any
    roots: tuple[int, ...] = ()  # called from outside P; empty: all
    depth: int = 1  # most frames of P on one stack
    stays: tuple[int, ...] = ()  # functions that are never left
    sleeps: tuple[int, ...] = ()  # functions in which a thread may stay for ever, but need not
    transform: Transform = Transform.NONE
    atomic: bool = True  # T3 is one step (1.2); False: the steps of a kernel (1.8)
    objects: int = 0
    writer: int = NEW  # the first universe whose functions write the new form
    reader: int = NEW  # the first whose functions can read it
    tagged: bool = True  # the new form can be distinguished from the old one
    world_passes: int = 1  # how often a stop converts all objects
    reversible: bool = True
    refuses: bool = False  # WORLD: an object may refuse conversion
    lifetimes: bool = False  # objects are freed and allocated
    revert: bool = False
    gate: bool = False  # during a transition no thread enters the kernel
    blocking: bool = False
    preempted: bool = False  # threads may be preempted in the ftrace call (Form.IN_HANDLER)
    around: bool = False  # the first function is the one that runs task works
    exits: bool = False  # threads end; for their last steps they are off the list
    found: bool = True  # a stop also finds threads that are off the list
    oopses: bool = False  # a thread may die in a visit
    births: int = 0  # the maximum number of threads; 0: none is created
    upgrades: tuple[int, ...] = (NEW,)  # targets of successive patches
    watch_p: bool = True  # an observer notes which universes a visit to P has seen
    watch_kernel: bool = True

    @cached_property
    def per_function(self) -> bool:
        return self.strict or self.switch is Switch.SWITCH_FUNCTION

    @cached_property
    def per_thread(self) -> bool:
        return self.switch is Switch.SWITCH_THREAD

    @cached_property
    def words(self) -> int:
        return len(self.functions) if self.per_function else 1

    @cached_property
    def holding(self) -> frozenset[int]:
        names = (*self.functions, *self.outside)
        return frozenset(names.index(name) for name in self.holders)

    @cached_property
    def every(self) -> range:
        return range(len(self.functions))

    def leave_of(self, kind: int) -> Leave:
        """Return what a thread of this kind has to leave (1.8: kthreads by border or by stack)."""
        if kind == Kind.KTHREAD and self.leave is Leave.LEAVE_KERNEL:
            return self.kthreads
        return self.leave

    def callees(self, t: Thread) -> Iterator[int]:
        """Return the functions of P that ``t`` may call now."""
        depth = sum(frame.univ != OUTSIDE for frame in t.stack)
        if depth >= self.depth:
            return iter(())
        if depth == 0 or not self.calls:
            return iter((self.roots or self.every) if depth == 0 else self.every)
        return iter(self.calls[t.stack[-1].fn] if t.stack[-1].fn < len(self.calls) else ())

    def first(self, kinds: tuple[int, ...] = ()) -> State:
        """Return the state before apply: kernel threads are in the kernel, others in user space."""
        words = (OLD,) * self.words
        kernel = Globals(
            sw=() if self.per_thread else words, data=tuple(Object() for _ in range(self.objects))
        )
        return kernel, tuple(self.born(kind, words if self.per_thread else ()) for kind in kinds)

    def wrong_count(self, t: Thread) -> bool:
        """Return True if I7 is broken: the counter is not the number of frames of the area."""
        return bool(self.rules.wrong_count(self, t))

    def born(self, kind: int, u: tuple[int, ...]) -> Thread:
        place = Place.KERNEL if kind == Kind.KTHREAD else Place.USER
        return Thread(kind=kind, place=place, u=u)


def p_frames(t: Thread) -> int:
    """Return the number of frames of P on the stack."""
    return sum(frame.univ != OUTSIDE for frame in t.stack)


def done(k: Globals, threads: Others) -> bool:
    """Return True if all switch words have the target."""
    return all(word == k.target for word in k.sw) and all(
        word == k.target for t in threads for word in t.u
    )
