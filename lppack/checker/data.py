# SPDX-License-Identifier: MIT
"""Rules T1 to T4 of docs/semantics.md, with the refinements of 1.8, one small function each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lppack.checker.machine import (
    NEW,
    NOTHING,
    OLD,
    OUTSIDE,
    Form,
    Frame,
    Globals,
    Machine,
    Moved,
    Object,
    Others,
    Phase,
    Place,
    Thread,
    Turned,
)
from lppack.checker.observe import Seen
from lppack.consistency import Transform

_PAIRS = {
    (False, OLD): Seen.OLD_OLD,
    (False, NEW): Seen.OLD_NEW,
    (True, OLD): Seen.NEW_OLD,
    (True, NEW): Seen.NEW_NEW,
}
_FORMS = ("old", "new")
_REFUSED = "the world is stopped, an object is refused: all data stays as it is, nothing switches"


def put(k: Globals, number: int, o: Object) -> Globals:
    return k._replace(data=(*k.data[:number], o, *k.data[number + 1 :]))


def met(m: Machine, univ: int, form: int) -> int:
    """Return the flag for a function of universe ``univ`` that meets an object in ``form``."""
    return _PAIRS[univ >= m.reader, form]


# --- T3: access ---


def access(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """T3: the function on top of the stack uses an object, if it is in P."""
    if t.place != Place.KERNEL or not t.stack or t.stack[-1].univ == OUTSIDE:
        return
    r, univ = m.rules.data, t.stack[-1].univ
    if t.inside != Form.NOT_THERE:
        if t.inside != Form.LOOKED_UP:
            yield from inside(m, k, t)
        return
    for number, o in enumerate(k.data):
        if not o.rooted:
            continue
        if not o.live:
            yield from r.allocate(m, k, t, number)
            continue
        if univ < m.reader or m.atomic:
            yield from at_once(m, k, t, number)
        else:
            yield from r.read_flag(m, k, t, number)
        if m.lifetimes and not o.locked:
            yield from r.free(m, k, t, number)


def converts(m: Machine, k: Globals, univ: int) -> bool:
    """Return True if functions of universe ``univ`` write the new form now."""
    on_access = m.transform is Transform.TRANSFORM_ON_ACCESS
    return (
        univ >= m.writer
        and (bool(k.conv) or m.transform is Transform.NONE)
        and (on_access or m.transform is Transform.NONE)
    )


def at_once(m: Machine, k: Globals, t: Thread, number: int) -> Iterator[Moved]:
    """Yield an access as one step: that of old functions, or of all if T3 is atomic (1.2)."""
    o, univ = k.data[number], t.stack[-1].univ
    if o.locked:
        return
    saw, after = met(m, univ, o.form), o
    if converts(m, k, univ) and o.form == OLD:
        after = m.rules.data.written(m, o)
        saw |= met(m, univ, NEW)
    text = f"{m.functions[t.stack[-1].fn]}() uses an object in the {_FORMS[after.form]} form"
    yield Moved("T3", text, put(k, number, after), (t,), saw)


def written(m: Machine, o: Object) -> Object:
    """Return the object in the new form; with ON_ACCESS it is also in the registry."""
    tracked = int(m.transform is Transform.TRANSFORM_ON_ACCESS)
    return o._replace(form=NEW, tracked=tracked)


def read_flag(m: Machine, k: Globals, t: Thread, number: int) -> Iterator[Moved]:
    """1.8: read the flag without the lock; inside() reads it again under the lock."""
    if k.conv and t.stack[-1].univ >= m.writer:
        t = t._replace(inside=Form.FLAG_READ, pending=(number, NOTHING))
        yield Moved("T3", "reads the flag: converting", k, (t,))
    else:
        yield from lock(k, t, number)


def lock(k: Globals, t: Thread, number: int) -> Iterator[Moved]:
    """Yield the step that locks an object and finds its form; nothing while it is locked."""
    o = k.data[number]
    if not o.locked:
        found = Form.LOCKED_NEW if o.form == NEW else Form.LOCKED_OLD
        t = t._replace(inside=found, pending=(number, NOTHING))
        text = f"locks an object, finds the {_FORMS[o.form]} form"
        yield Moved("T3", text, put(k, number, o._replace(locked=1)), (t,))


def inside(m: Machine, k: Globals, t: Thread) -> Iterator[Moved]:
    """Yield the steps of an access under the object's lock (semantics, 1.8)."""
    number = t.pending[0]
    o = k.data[number]
    r = m.rules.data
    if t.inside == Form.FLAG_READ:
        if not o.live:  # freed before it could be locked: the caller looks for another one
            yield Moved("T3", "finds the object gone", k, (outside(t),))
        elif r.rechecks(k) and o.form == OLD and not o.locked:
            k = put(k, number, o._replace(locked=1))
            text = "locks the object, reads the flag again"
            yield Moved("T3", text, k, (t._replace(inside=Form.RECHECKED),))
        else:
            yield from lock(k, t, number)
    elif t.inside == Form.RECHECKED:
        k = put(k, number, r.written(m, o))
        text = "writes the new form, and tracks the object"
        yield Moved("T3", text, k, (t._replace(inside=Form.LOCKED_NEW),))
    else:
        believed = NEW if t.inside == Form.LOCKED_NEW else OLD
        saw = met(m, t.stack[-1].univ, o.form)
        saw |= Seen.FORM_CHANGED if o.form != believed else 0
        k = put(k, number, o._replace(locked=0))
        text = f"uses the object in the {_FORMS[believed]} form, unlocks it"
        yield Moved("T3", text, k, (outside(t),), saw)


def rechecks(k: Globals) -> bool:
    """Return the conversion flag, which is read again under the lock (1.8)."""
    return bool(k.conv)


def outside(t: Thread) -> Thread:
    return t._replace(inside=Form.NOT_THERE, pending=(NOTHING, NOTHING))


def locks_something(t: Thread) -> bool:
    return t.inside in (Form.RECHECKED, Form.LOCKED_OLD, Form.LOCKED_NEW)


def free(m: Machine, k: Globals, t: Thread, number: int) -> Iterator[Moved]:
    """1.8: free an object; in the same step it leaves the registry."""
    o = k.data[number]._replace(live=0, form=OLD, tracked=0)
    text = "forgets and frees" if k.data[number].tracked else "frees"
    yield Moved("T3", f"{text} an object", put(k, number, o), (t,))


def allocate(m: Machine, k: Globals, t: Thread, number: int) -> Iterator[Moved]:
    """T3: allocate an object: in the old form while conv = 0; in the new form it is tracked."""
    o = k.data[number]._replace(live=1)
    if m.transform is Transform.TRANSFORM_ON_ACCESS and converts(m, k, t.stack[-1].univ):
        o = m.rules.data.written(m, o)
    text = f"allocates an object in the {_FORMS[o.form]} form"
    yield Moved("T3", text, put(k, number, o), (t,))


# --- pointers, for R13 ---


def hold(m: Machine, k: Globals, t: Thread, others: Others) -> Iterator[Moved]:
    """Yield the steps of R13: enter and leave functions outside P, take a pointer, and use it."""
    if t.place != Place.KERNEL or t.inside != Form.NOT_THERE:
        return
    if not t.stack:
        for number, name in enumerate(m.outside):
            frame = Frame(len(m.functions) + number)
            yield Moved("R3", f"calls {name}()", k, (t._replace(stack=(frame,)),))
        return
    top = t.stack[-1]
    name = (*m.functions, *m.outside)[top.fn]
    if top.holds != NOTHING:
        yield from use_pointer(m, k, t, name)
        return
    if top.univ == OUTSIDE:
        yield Moved("R4", f"returns from {name}()", k, (t._replace(stack=t.stack[:-1]),))
    o = k.data[0]
    if top.fn in m.holding and o.rooted and o.live:
        k = put(k, 0, o._replace(rooted=int(not m.unlinks)))
        yield Moved("R13", f"{name}() takes a pointer", k, (held(t, o.gen),))


def use_pointer(m: Machine, k: Globals, t: Thread, name: str) -> Iterator[Moved]:
    o = k.data[0]
    saw = Seen.STALE_POINTER if t.stack[-1].holds != o.gen else 0
    k = put(k, 0, o._replace(rooted=1))
    yield Moved("R13", f"{name}() uses its pointer, puts it back", k, (held(t, NOTHING),), saw)


def held(t: Thread, gen: int) -> Thread:
    return t._replace(stack=(*t.stack[:-1], t.stack[-1]._replace(holds=gen)))


# --- the engine ---


def world(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """T1, or T2 if threads spin: convert every object that a root leads to, and resume the world.

    On a revert, the reverse function converts them, in the stop that flips back (T4).
    """
    saw = 0
    data = k.data
    for turn in range(m.world_passes):
        made = tuple(m.rules.data.convert_one(m, o, k.target) for o in data)
        if turn and made != data:
            saw |= Seen.CONVERTED_TWICE
        data = made
    if any(o.live and o.form != k.target for o in data):
        saw |= Seen.OLD_DATA_LEFT
    rule = "T1" if k.stopped else "T2"
    resumed = k._replace(stopped=0, spin=0)
    text = f"the world is stopped, all data gets the {_FORMS[k.target]} form"
    yield Turned(rule, text, resumed._replace(data=data), _as_is, saw)
    if m.refuses and k.target != OLD:
        yield Turned(rule, _REFUSED, m.rules.data.refused(m, resumed, data), _as_is)


def refused(m: Machine, k: Globals, made: tuple[Object, ...]) -> Globals:
    """1.8, all or nothing: drop the converted objects ``made``; the stop returns to old."""
    return k._replace(target=OLD, sw=(OLD,) * len(k.sw))


def convert_one(m: Machine, o: Object, target: int) -> Object:
    """Return the object in the form ``target``, moved to other memory.

    Return it unchanged if no root leads to it, if it is freed, or if its tag shows that form.
    """
    if not o.rooted or not o.live or (m.tagged and o.form == target):
        return o
    return o._replace(form=target, gen=(o.gen + 1) % 4, passes=(o.passes + 1) % 4)


def enable(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """T3: conv := 1 only after R9."""
    patched = k.phase == Phase.COMPLETE and k.target != OLD
    if m.transform is Transform.TRANSFORM_ON_ACCESS and patched and not k.conv:
        yield Turned("T3", "conversion is enabled", k._replace(conv=1), _as_is)


def undo(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """T4: conv := 0; then each object of the registry is reversed, under its lock."""
    if not m.revert or m.transform is not Transform.TRANSFORM_ON_ACCESS:
        return
    if k.phase == Phase.COMPLETE and k.target != OLD:
        off = k._replace(phase=Phase.UNDOING, conv=0)
        yield Turned("T4", "revert: conversion is disabled", off, _as_is)
    if k.phase == Phase.UNDOING:
        for number, o in enumerate(k.data):
            if o.tracked and (not o.locked or not m.rules.data.reverse_locks):
                saw = 0 if o.live else Seen.FREED_TOUCHED
                after = put(k, number, o._replace(form=OLD, tracked=0))
                yield Turned("T4", "a tracked object is reversed", after, _as_is, saw)


def undone(m: Machine, k: Globals, threads: Others) -> bool:
    """Return True if R11 may begin (T4): no object is tracked, and no thread holds a lock."""
    under_way = any(locks_something(t) for t in threads)
    return not any(o.tracked for o in k.data) and not under_way


def nowhere(m: Machine, k: Globals, threads: Others) -> Iterator[Turned]:
    """Yield nothing: TRANSFORM_WORLD converts only in the stop that flips."""
    return iter(())


def _as_is(t: Thread) -> Thread:
    return t


EngineDataRule = Callable[[Machine, Globals, Others], Iterator[Turned]]
ObjectRule = Callable[[Machine, Globals, Thread, int], Iterator[Moved]]


@dataclass(frozen=True, kw_only=True)
class DataRules:
    """The function that implements each part of T1 to T4."""

    access: Callable[[Machine, Globals, Thread, Others], Iterator[Moved]] = access
    hold: Callable[[Machine, Globals, Thread, Others], Iterator[Moved]] = hold
    read_flag: ObjectRule = read_flag
    rechecks: Callable[[Globals], bool] = rechecks
    written: Callable[[Machine, Object], Object] = written
    free: ObjectRule = free
    allocate: ObjectRule = allocate
    world: EngineDataRule = world
    placed: EngineDataRule = nowhere
    convert_one: Callable[[Machine, Object, int], Object] = convert_one
    refused: Callable[[Machine, Globals, tuple[Object, ...]], Globals] = refused
    enable: EngineDataRule = enable
    undo: EngineDataRule = undo
    undone: Callable[[Machine, Globals, Others], bool] = undone
    reverse_locks: bool = True
