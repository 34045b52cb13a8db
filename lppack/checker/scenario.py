# SPDX-License-Identifier: MIT
"""Machines of a patch in a mode: how the engines run it, and what the needs forbid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lppack import abi
from lppack.checker import upstream
from lppack.checker.machine import OLD, Frame, Hook, Kind, Machine, Method, Place, State, Thread
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.consistency import EngineName, Leave, Mode, Needs, Switch, Transform

_KINDS_MAX = 2  # three would make tens of thousands of states for any number of threads

#: Stands for the function that uses converted data, if a patch has several: none is declared.
SOME_FUNCTION = "patched_function"


def settings(mode: Mode) -> dict[str, Any]:
    """Return the fields of Machine that model how the engines run ``mode``.

    SWITCH_KERNEL modes close a gate at the border, so that overlapping visits cannot go on for
    ever.
    """
    return {
        "hook": _HOOKS[mode.switch],
        "gate": mode.switch is Switch.SWITCH_KERNEL,
    } | ({"hook": Hook.EXIT, "method": Method.COUNT} if mode.counts else {})


_HOOKS = {
    Switch.SWITCH_FUNCTION: Hook.TICK,
    Switch.SWITCH_THREAD: Hook.BORDER,
    Switch.SWITCH_KERNEL: Hook.TICK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The part of a patch that the simulator uses."""

    functions: tuple[str, ...]
    needs: Needs
    #: Caller -> called, also for functions that are not replaced; None: not declared.
    calls: Mapping[str, tuple[str, ...]] | None = None
    sleeps: tuple[str, ...] = ()  # declared: threads may sleep in them without limit
    interdependent: tuple[tuple[str, ...], ...] = ()

    @property
    def never_left(self) -> tuple[str, ...]:
        return tuple(name for name in self.functions if name in abi.NEVER_LEFT)

    @property
    def slept_in(self) -> tuple[str, ...]:
        known = (*abi.SLEPT_IN, *self.sleeps)
        return tuple(name for name in self.functions if name in known)

    def called_by(self, function: str) -> tuple[str, ...]:
        """Return the functions of the patch that ``function`` calls, directly or through others."""
        calls = self.calls or {}
        found: list[str] = []
        met = {function}
        todo = list(calls.get(function, ()))
        while todo:
            name = todo.pop(0)
            if name in self.functions:
                found.append(name)
            elif name not in met:
                met.add(name)
                todo += calls.get(name, ())
        return tuple(dict.fromkeys(found))


def representatives(patch: Patch) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Return functions that stand for all, and for each the indexes of those that it calls.

    No rule depends on a function's name, so functions with the same calls behave alike. If no calls
    are declared, any function may call any: one that calls another then stands for every case at
    depth 2. Otherwise one function stands for each kind of call, unless these are too many to
    explore.
    """
    order = _order(patch)
    if not order:  # the patch has only hooks
        return (), ()
    kind = _kinds(patch)
    if kind is None:
        return (tuple(order[:2]), ((1,), ())) if len(order) > 1 else (tuple(order), ((0,),))
    chosen = [next(name for name in order if kind[name] == number) for number in set(kind.values())]
    chosen.sort(key=order.index)
    of_kind = {kind[name]: i for i, name in enumerate(chosen)}
    return tuple(chosen), tuple(
        tuple(sorted({of_kind[kind[called]] for called in patch.called_by(name)}))
        for name in chosen
    )


def too_many_kinds(patch: Patch) -> bool:
    """Return True if the declared calls are too many to explore: then any function may call any."""
    return patch.calls is not None and bool(patch.functions) and _kinds(patch) is None


def _order(patch: Patch) -> list[str]:
    first = [name for group in patch.interdependent for name in group]
    return list(dict.fromkeys([*first, *patch.functions]))


def _kinds(patch: Patch) -> dict[str, int] | None:
    """Return the kind of each function; functions of one kind call the same kinds.

    Return None if the calls are not declared, or if there are too many kinds to explore.
    """
    if patch.calls is None:
        return None
    order = _order(patch)
    calls = {name: patch.called_by(name) for name in order}
    kind = dict.fromkeys(order, 0)
    while True:
        keys = {name: (kind[name], frozenset(kind[c] for c in calls[name])) for name in order}
        numbers = {key: i for i, key in enumerate(dict.fromkeys(keys.values()))}
        finer = {name: numbers[keys[name]] for name in order}
        if len(numbers) > _KINDS_MAX:
            return None
        if len(numbers) == len(set(kind.values())):
            return kind
        kind = finer


def _depth(calls: Sequence[Sequence[int]]) -> int:
    """Return the depth to explore: 2 if a function calls another one or itself, else 1."""
    return 2 if any(calls) else 1


def _roots(patch: Patch) -> tuple[int, ...]:
    """Return the roots: if any function may call any, the first one stands for all; (): all."""
    return (0,) if patch.functions and _kinds(patch) is None else ()


def switching(
    patch: Patch,
    mode: Mode,
    rules: Rules,
    *,
    revert: bool = True,
    preempted: EngineName | None = None,
) -> Machine:
    """Return the machine in which threads call functions and switch universes.

    Data has a separate machine, because no rule of switching depends on it. ``preempted``: the
    engine that moves threads, if kernel code is preempted.
    """
    functions, calls = representatives(patch)
    if preempted is EngineName.LIVEPATCH:
        rules = upstream.rules_of(rules)
    return _machine(
        mode,
        rules,
        functions=functions,
        calls=calls,
        roots=_roots(patch),
        depth=_depth(calls),
        revert=revert,
        preempted=preempted is not None,
        watch_kernel=bool(forbidden(patch.needs) & Seen.MIX_IN_KERNEL),
        watch_p=bool(forbidden(patch.needs) & Seen.MIX_IN_P),
    )


def converting(patch: Patch, mode: Mode, rules: Rules) -> Machine | None:
    """Return the machine in which an object is used, converted, freed, allocated and reversed.

    Return None if the patch converts no data.
    """
    transform = patch.needs.transform
    if transform is Transform.NONE:
        return None
    on_access = transform is Transform.TRANSFORM_ON_ACCESS
    return _machine(
        mode,
        rules,
        functions=patch.functions if len(patch.functions) < 2 else (SOME_FUNCTION,),
        transform=transform,
        objects=1,
        atomic=not on_access,
        lifetimes=on_access,
        refuses=not on_access,
        revert=True,
        watch_kernel=False,
        watch_p=False,
    )


def showing(patch: Patch, mode: Mode, rules: Rules) -> Machine:
    """Return the machine for runs that reports show: with data, and each access as one step."""
    functions, calls = representatives(patch)
    return _machine(
        mode,
        rules,
        functions=functions,
        calls=calls,
        roots=_roots(patch),
        depth=_depth(calls),
        transform=patch.needs.transform,
        objects=int(patch.needs.transform is not Transform.NONE),
        revert=True,
    )


def ending(patch: Patch, mode: Mode, rules: Rules) -> tuple[Machine, State]:
    """Return a machine, and a state from which progress is checked.

    Two threads start in user space. One more thread starts in a function that is never left, and
    one in a function that threads sleep in, if the patch has them.
    """
    stuck = [*patch.never_left[:1], *patch.slept_in[:1]]
    plain = [name for name in patch.functions if name not in (*patch.never_left, *patch.slept_in)]
    functions = (*(plain[:1] or ("another function",)), *stuck)
    numbers = {name: number for number, name in enumerate(functions)}
    m = _machine(
        mode,
        rules,
        functions=functions,
        roots=(0,),
        stays=tuple(numbers[name] for name in patch.never_left[:1]),
        sleeps=tuple(numbers[name] for name in patch.slept_in[:1]),
        watch_kernel=False,
        watch_p=False,
    )
    kernel, threads = m.first((Kind.TASK, Kind.TASK))
    inside = tuple(_inside(m, name in abi.NEVER_LEFT, numbers[name]) for name in stuck)
    return m, (kernel, threads + inside)


def _inside(m: Machine, never: bool, fn: int) -> Thread:
    kind = Kind.KTHREAD if never else Kind.TASK
    words = (OLD,) * m.words if m.per_thread else ()
    return Thread(kind=kind, place=Place.KERNEL, u=words, stack=(Frame(fn, OLD),))


def _machine(mode: Mode, rules: Rules, **more: Any) -> Machine:
    chosen = {"kthreads": mode.kthread, **settings(mode), **more}
    return Machine(rules=rules, leave=mode.leave, switch=mode.switch, **chosen)


def forbidden(needs: Needs) -> Seen:
    """Return the flags that must not be reached.

    ``leave`` and ``switch`` give I2 to I4 and I6; ``transform`` gives I9, I10, R13 and T4.
    """
    seen = Seen(0)
    by_thread = needs.switch.value >= Switch.SWITCH_THREAD.value
    if needs.leave is not Leave.LEAVE_FUNCTION and by_thread:
        seen |= Seen.MIX_IN_P
        if needs.leave is Leave.LEAVE_KERNEL:
            seen |= Seen.MIX_IN_KERNEL
        if needs.switch is Switch.SWITCH_KERNEL:
            seen |= Seen.BOTH_AT_ONCE
    elif needs.leave is not Leave.LEAVE_FUNCTION:
        seen |= Seen.OLD_AFTER_DONE
    if needs.transform is not Transform.NONE:
        seen |= Seen.OLD_NEW | Seen.FREED_TOUCHED | Seen.FORM_CHANGED
    if needs.transform is Transform.TRANSFORM_WORLD:
        seen |= Seen.NEW_OLD | Seen.OLD_DATA_LEFT | Seen.STALE_POINTER
    return seen
