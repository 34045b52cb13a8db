# SPDX-License-Identifier: MIT
"""A patch and a mode as machines: how the real engines run it, and what its needs forbid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lppack import abi
from lppack.checker import upstream
from lppack.checker.machine import OLD, Frame, Hook, Kind, Machine, Method, Place, State, Thread
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.consistency import EngineName, Leave, Mode, Needs, Switch, Transform

_KINDS_MAX = 2  # with three, tens of thousands of states stand for any number of threads

#: The function that touches changing data, if a patch has several: which one is not declared.
SOME_FUNCTION = "patched_function"


def settings(mode: Mode) -> dict[str, Any]:
    """Return how the engines run ``mode``: what is counted or looked at, and where units flip.

    Modes of the whole kernel shut a gate at the border, so that visits that overlap cannot go on
    for ever.
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
    """What the simulator has to know of a patch."""

    functions: tuple[str, ...]
    needs: Needs
    calls: Mapping[str, tuple[str, ...]] | None = None  # also of others; None: not declared
    sleeps: tuple[str, ...] = ()  # declared to be slept in for as long as threads like
    interdependent: tuple[tuple[str, ...], ...] = ()

    @property
    def never_left(self) -> tuple[str, ...]:
        return tuple(name for name in self.functions if name in abi.NEVER_LEFT)

    @property
    def slept_in(self) -> tuple[str, ...]:
        known = (*abi.SLEPT_IN, *self.sleeps)
        return tuple(name for name in self.functions if name in known)

    def called_by(self, function: str) -> tuple[str, ...]:
        """Functions of the patch that ``function`` calls, directly or through others."""
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
    """Return functions that stand for all, and the calls between them.

    No rule depends on a function's name, so functions with the same calls behave alike. If no calls
    are declared, any function may call any: one that calls another then stands for every case at
    depth 2. Otherwise one function stands for each kind of call, unless these are too many to
    explore.
    """
    order = _order(patch)
    if not order:  # hooks alone
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
    """Of two kinds of function: one that calls another, or itself, whatever comes below."""
    return 2 if any(calls) else 1


def _roots(patch: Patch) -> tuple[int, ...]:
    """Where each may call each, the first of two stands for all there is at depth 1."""
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

    Data has a machine of its own, as no rule of switching looks at it. ``preempted``: kernel code
    is preempted, and this engine moves threads.
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
    """Return an object that is used, converted, freed, allocated and reversed; None: no data
    changes."""
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
    """Return a machine to show runs of: switching and data together, an access in one step."""
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
    """Two threads that come and go, and one in each kind of function that is hardly ever left."""
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
    """Return what must not be reached: I2 to I4 and I6 by what is declared, I9 and I10 by the
    data."""
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
