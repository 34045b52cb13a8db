# SPDX-License-Identifier: MIT
"""Claims C1 to C32 of docs/semantics.md 1.7 as functions of the rules: True if the claim holds.

Each names mutations of a rule under which it must not hold.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from lppack import consistency
from lppack.checker import data, matrix
from lppack.checker.area import area_frames
from lppack.checker.explorer import Found, Population, explore, successors
from lppack.checker.machine import NEW, OLD, Hook, Machine, Method, Phase, State, Turned, done
from lppack.checker.observe import Seen
from lppack.checker.progress import components, graph, stall
from lppack.checker.semantics import Rules, same
from lppack.consistency import Leave, Needs, Switch, Transform
from tests.kit.laws import mean_times
from tests.unit.checker.mutations import FAULTS, mutated

L_F, L_P, L_K = Leave
S_F, S_T, S_K = Switch
ON_ACCESS, WORLD = Transform.TRANSFORM_ON_ACCESS, Transform.TRANSFORM_WORLD
MIXES = (
    Seen.SAME_IN_STACK
    | Seen.OLD_CALLS_NEW
    | Seen.NEW_CALLS_OLD
    | Seen.MIX_IN_P
    | Seen.MIX_IN_KERNEL
    | Seen.SAME_AT_ONCE
    | Seen.BOTH_AT_ONCE
)


@dataclass(frozen=True, slots=True)
class Claim:
    number: str
    says: str
    holds: Callable[[Rules], bool]
    mutations: tuple[str, ...]


CLAIMS: dict[str, Claim] = {}


def claim(number: str, *mutations: str) -> Callable[[Callable[[Rules], bool]], None]:
    assert set(mutations) <= set(FAULTS)

    def add(holds: Callable[[Rules], bool]) -> None:
        says = " ".join((holds.__doc__ or "").split())
        CLAIMS[number] = Claim(number, says, holds, mutations)

    return add


def machine(rules: Rules, leave: Leave, switch: Switch, **more: Any) -> Machine:
    return Machine(rules=rules, leave=leave, switch=switch, **more)


def two(m: Machine, n: int = 2) -> Found:
    found = explore(m, (0,) * n)
    assert found.whole
    return found


def any_number(m: Machine) -> Found:
    found = explore(m, (0,), Population.PRESENT)
    assert found.whole
    return found


def never(m: Machine, flags: int) -> bool:
    """Not for 1 to 3 threads, and not for any number."""
    m = replace(
        m,
        watch_p=bool(flags & Seen.MIX_IN_P),
        watch_kernel=bool(flags & Seen.MIX_IN_KERNEL),
    )
    return not any(two(m, n).seen & flags for n in (1, 2, 3)) and not any_number(m).seen & flags


def reached(m: Machine, flags: int) -> bool:
    """All of them, with two threads."""
    return two(m).seen & flags == flags


def states(m: Machine, n: int = 2) -> list[State]:
    return list(two(m, n).parents)


@claim("C1", "new-waits-for-old", "new-waits")
def c1(rules: Rules) -> bool:
    """null (L_F+S_F): apply completes without waiting. The next call is new, running frames end
    old. Every mix column is reachable."""
    m = machine(rules, L_F, S_F, hook=Hook.TICK, functions=("f", "g"), depth=2)
    waits = [s for s in states(m) if s[0].phase == Phase.TRANSITION and not done(*s)]
    return reached(m, MIXES | Seen.OLD_AFTER_DONE) and all(
        any(step.rule == "R7 R8" for step in successors(m, s, Population.COUNTED)) for s in waits
    )


@claim("C2", "skip-the-check", "counters-from-zero", "count-after-lookup")
def c2(rules: Rules) -> bool:
    """kpatch, masami-refcounting, Ksplice (L_P+S_K): one flip at a total P-count of 0; I2 and I4
    hold."""
    bad = Seen.MIX_IN_P | Seen.BOTH_AT_ONCE | Seen.OLD_AFTER_DONE | Seen.WRONG_COUNT
    by_stack = machine(rules, L_P, S_K, hook=Hook.TICK, depth=2)
    by_count = machine(rules, L_P, S_K, method=Method.COUNT)
    return never(by_stack, bad) and never(by_count, bad) and two(by_count).completes


@claim("C3", "skip-the-check", "out-of-p-is-enough")
def c3(rules: Rules) -> bool:
    """kGraft (L_K+S_T): t flips only outside the kernel; I3 holds; old and new at once is
    reachable."""
    m = machine(rules, L_K, S_T, hook=Hook.BORDER)
    return never(m, Seen.MIX_IN_KERNEL | Seen.MIX_IN_P) and reached(m, Seen.BOTH_AT_ONCE)


@claim("C4", "skip-the-check", "out-of-p-is-enough")
def c4(rules: Rules) -> bool:
    """CRIU/kexec (L_K+S_K): the kernel flips only with every thread out of the kernel; I3 and I4
    hold."""
    m = machine(rules, L_K, S_K, hook=Hook.TICK)
    return never(m, Seen.MIX_IN_KERNEL | Seen.BOTH_AT_ONCE) and two(m).completes


@claim("C5", "counters-from-zero", "count-after-lookup")
def c5(rules: Rules) -> bool:
    """One engine that counts, with only the flags changed, behaves as C2 to C4 say."""

    def shows(m: Machine) -> int:
        return two(m).seen

    combinations = ((L_P, S_K), (L_P, S_T), (L_K, S_T), (L_K, S_K))
    return all(
        shows(machine(rules, leave, switch, method=Method.COUNT))
        == shows(machine(Rules(), leave, switch, hook=Hook.TICK))
        for leave, switch in combinations
    )


@claim("C6", "skip-the-check", "counters-from-zero", "idle-threads-forgotten")
def c6(rules: Rules) -> bool:
    """Counting by thread: u[t] becomes new exactly when cnt[t] reaches 0, never inside. A flip
    inside gives a mix in a visit to P."""
    m = machine(rules, L_P, S_T, method=Method.COUNT, depth=2)
    moving = [s for s in states(m) if s[0].phase == Phase.TRANSITION]
    exact = all(t.u == (NEW,) for _, threads in moving for t in threads if t.cnt == 0)
    return never(m, Seen.MIX_IN_P | Seen.WRONG_COUNT) and exact


@claim("C7", "counters-from-zero", "count-after-lookup", "skip-the-check")
def c7(rules: Rules) -> bool:
    """Counting by kernel: U flips exactly when CNT reaches 0, if CNT is the number of frames on the
    stacks. Otherwise there is a violation."""
    m = machine(rules, L_P, S_K, method=Method.COUNT)
    moving = [s for s in states(m) if s[0].phase == Phase.TRANSITION]
    exact = all(
        (k.sw == (NEW,)) if not sum(t.cnt for t in threads) else True for k, threads in moving
    )
    return never(m, Seen.WRONG_COUNT | Seen.MIX_IN_P | Seen.OLD_AFTER_DONE) and exact


@claim("C8", "skip-the-check", "new-waits")
def c8(rules: Rules) -> bool:
    """A patch's flags name its combination. One that is not possible is refused: WORLD if a new
    function ran before done or a frame was live at the flip (I13), ON_ACCESS if old functions run
    after done (I14)."""

    def refused(row: matrix.Row, transform: Transform) -> bool:
        needs = Needs(leave=row.leave, switch=row.switch, transform=transform)
        return consistency.refusal(needs) is not None

    # What is refused is less than what the matrix forbids only where needs are rounded up.
    for row in (r for r in matrix.ROWS if not r.strict and r.switch is not S_F):
        seen = matrix.observed(row, rules).seen
        world = bool(seen & (Seen.NEW_BEFORE_DONE | Seen.LIVE_AT_FLIP))
        on_access = bool(seen & Seen.OLD_AFTER_DONE)
        if refused(row, WORLD) is not world or refused(row, ON_ACCESS) is not on_access:
            return False
    return True


@claim("C9", "skip-the-check", "new-waits")
def c9(rules: Rules) -> bool:
    """Old and new functions run at once: reachable with S_T; unreachable with S_K and L_P or
    L_K."""
    at_once = Seen.BOTH_AT_ONCE
    return all(
        reached(machine(rules, leave, S_T, hook=Hook.TICK), at_once)
        and never(machine(rules, leave, S_K, hook=Hook.TICK), at_once)
        for leave in (L_P, L_K)
    )


@claim("C10", "skip-the-check", "new-waits")
def c10(rules: Rules) -> bool:
    """If new functions write new data at once: S_T shows all four of {old,new}func x {old,new}data;
    S_K does not show oldfunc/newdata."""
    four = Seen.OLD_OLD | Seen.OLD_NEW | Seen.NEW_OLD | Seen.NEW_NEW
    return reached(machine(rules, L_P, S_T, hook=Hook.TICK, objects=1), four) and never(
        machine(rules, L_P, S_K, hook=Hook.TICK, objects=1), Seen.OLD_NEW
    )


@claim("C11", "second-patch-early")
def c11(rules: Rules) -> bool:
    """Two patches: patch 1 reads both forms, patch 2 creates new data. If patch 2 starts only after
    patch 1 is complete, oldfunc/newdata never occurs. If it starts earlier, oldfunc/newdata is
    reachable."""
    m = machine(rules, L_P, S_T, hook=Hook.TICK, objects=1, upgrades=(1, 2), writer=2)
    return never(m, Seen.OLD_NEW) and reached(m, Seen.NEW_NEW)


@claim("C12", "world-moves", "skip-the-check", "keeps-half")
def c12(rules: Rules) -> bool:
    """WORLD with L_P+S_K: no old data after the stop, no step during it, no old function with new
    data, and no new function with old data. This also holds if an object may be refused: all or
    nothing."""
    m = machine(rules, L_P, S_K, hook=Hook.TICK, transform=WORLD, objects=2, refuses=True)
    bad = Seen.OLD_DATA_LEFT | Seen.MOVED_IN_STOP | Seen.OLD_NEW | Seen.NEW_OLD
    return never(m, bad) and reached(m, Seen.NEW_NEW | Seen.OLD_OLD)


def _placed(when: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def placed(m: Machine, k: Any, threads: Any) -> Any:
        if k.phase == Phase.TRANSITION and all(o.form == OLD for o in k.data) and when(k, threads):
            made = tuple(data.convert_one(m, o, NEW) for o in k.data)
            ends = Phase.COMPLETE if done(k, threads) else k.phase
            yield Turned("T1", "transform", k._replace(data=made, phase=ends), same)

    return placed


@claim("C13", "new-waits")
def c13(rules: Rules) -> bool:
    """WORLD under S_T: wherever the transform runs, a forbidden pair is reachable (new ran before
    done, or frames live at done)."""
    places: tuple[Callable[[Any, Any], bool], ...] = (
        lambda k, threads: not any(t.u == (NEW,) for t in threads),
        lambda k, threads: any(t.u == (NEW,) for t in threads),
        lambda k, threads: done(k, threads),
    )
    for place in places:
        at = replace(rules, data=replace(rules.data, placed=_placed(place)))
        # R9 only by way of the transform: its place is before it.
        last = replace(at, r9=lambda m, k, threads: iter(()))
        m = machine(last, L_P, S_T, hook=Hook.TICK, objects=1, transform=WORLD)
        if not two(m).seen & (Seen.OLD_NEW | Seen.NEW_OLD):
            return False
    return True


@claim("C14", "skip-the-check")
def c14(rules: Rules) -> bool:
    """WORLD may free and reallocate: a freed object is never accessed later (needs R13)."""
    return never(_holder(rules, in_p=True), Seen.STALE_POINTER)


def _holder(rules: Rules, *, in_p: bool, unlinks: bool = False) -> Machine:
    functions, outside = (("f", "h"), ()) if in_p else (("f",), ("h",))
    return machine(
        rules,
        L_P,
        S_K,
        hook=Hook.TICK,
        transform=WORLD,
        objects=1,
        functions=functions,
        outside=outside,
        holders=("h",),
        unlinks=unlinks,
    )


@claim("C15", "skip-the-check")
def c15(rules: Rules) -> bool:
    """A function outside P holds a pointer over the flip: the pointer is stale. With the same
    function in P, the flip waits, and there is no violation."""
    outside = two(_holder(rules, in_p=False)).seen
    return bool(outside & Seen.STALE_POINTER) and c14_holds(rules)


def c14_holds(rules: Rules) -> bool:
    return CLAIMS["C14"].holds(rules)


@claim("C16", "untagged")
def c16(rules: Rules) -> bool:
    """WORLD without a change of layout: a transform that runs twice, or on a mixed population,
    cannot distinguish converted objects from others, and converts some twice. With a tag of layout
    or version, each object is converted exactly once."""
    tagged = machine(rules, L_P, S_K, hook=Hook.TICK, transform=WORLD, objects=1, world_passes=2)
    return never(tagged, Seen.CONVERTED_TWICE) and reached(
        replace(tagged, tagged=False), Seen.CONVERTED_TWICE
    )


@claim("C17", "skip-the-check")
def c17(rules: Rules) -> bool:
    """WORLD finds only objects that can be reached from global roots. It misses an object on a
    stack outside P (compare C15)."""
    missed = Seen.NEW_OLD | Seen.OLD_DATA_LEFT
    return reached(_holder(rules, in_p=False, unlinks=True), missed) and never(
        _holder(rules, in_p=True, unlinks=True), missed
    )


@claim("C18", "no-reverse")
def c18(rules: Rules) -> bool:
    """WORLD: a revert with a reverse function restores the initial data; a revert without one is
    refused."""
    m = machine(rules, L_P, S_K, hook=Hook.TICK, transform=WORLD, objects=1, revert=True)
    back = [k for k, _ in states(m) if k.phase == Phase.COMPLETE and k.target == OLD]
    one_way = replace(m, reversible=False)
    return (
        bool(back)
        and all(o.form == OLD for k in back for o in k.data)
        and never(m, Seen.OLD_NEW | Seen.NEW_OLD)
        and all(k.target == NEW for k, _ in states(one_way) if k.turns)
    )


@claim("C19", "no-spinning")
def c19(rules: Rules) -> bool:
    """masami-refcounting with WORLD: with spinning at entry from the flip to the end of the
    transform, newfunc/olddata never occurs; without spinning it is reachable."""
    m = machine(rules, L_P, S_K, method=Method.COUNT, transform=WORLD, objects=1)
    without = replace(m, rules=mutated("no-spinning", rules))
    return never(m, Seen.NEW_OLD | Seen.OLD_NEW) and reached(without, Seen.NEW_OLD)


def on_access(rules: Rules, leave: Leave = L_P, switch: Switch = S_T, **more: Any) -> Machine:
    settings: dict[str, Any] = {"hook": Hook.TICK, "transform": ON_ACCESS, "objects": 1, **more}
    return machine(rules, leave, switch, **settings)


@claim("C20", "converts-early", "completes-early")
def c20(rules: Rules) -> bool:
    """ON_ACCESS: the flag is set only after the whole system is complete (I11)."""
    return never(on_access(rules), Seen.CONVERTING_EARLY | Seen.OLD_NEW)


@claim(
    "C21",
    "converts-early",
    "no-registry",
    "late-convert",
    "reverse-without-lock",
    "not-forgotten",
    "waits-for-no-conversion",
    "reverts-at-once",
)
def c21(rules: Rules) -> bool:
    """ON_ACCESS: an old function never meets new data, in both directions, with objects that come
    and go, and in the small steps of 1.8."""
    m = on_access(rules, atomic=False, revert=True, lifetimes=True)
    bad = Seen.OLD_NEW | Seen.FREED_TOUCHED | Seen.FORM_CHANGED
    return never(m, bad) and reached(m, Seen.NEW_NEW)


@claim("C22", "new-waits-for-data")
def c22(rules: Rules) -> bool:
    """ON_ACCESS: newfunc/olddata is observed, so exactly new/old and new/new need review."""
    return reached(on_access(rules), Seen.NEW_OLD | Seen.NEW_NEW)


@claim("C23", "converts-all")
def c23(rules: Rules) -> bool:
    """ON_ACCESS never knows that it is complete: in some fair run, an object is never accessed and
    stays old for ever."""
    m = on_access(rules)
    steps = graph(m, m.first((0, 0)), lambda k: bool(k.conv) and all(o.form == OLD for o in k.data))
    for part in components(steps):
        inside = set(part)
        done_by = {(s.place, s.rule) for state in part for s in steps[state] if s.state in inside}
        if {(i, rule) for i in (0, 1) for rule in ("R3", "R4")} <= done_by:
            return True
    return False


@claim("C24", "no-registry", "reverts-at-once")
def c24(rules: Rules) -> bool:
    """ON_ACCESS: on revert without a registry, oldfunc/newdata is reachable; with a registry (T4)
    it is not."""
    m = on_access(rules, revert=True)
    without = replace(m, rules=mutated("no-registry", rules))
    return never(m, Seen.OLD_NEW) and reached(without, Seen.OLD_NEW)


@claim("C25", "skip-the-check")
def c25(rules: Rules) -> bool:
    """ON_ACCESS works with every approach except null, and skip, which equals null."""
    for row in matrix.ROWS:
        m = replace(matrix.machine(row, rules), objects=1, transform=ON_ACCESS, depth=1)
        literal = row.leave is L_F and not row.strict
        if bool(two(m).seen & Seen.OLD_NEW) is not literal:
            return False
    return True


@claim("C26", "another-transition")
def c26(rules: Rules) -> bool:
    """ON_ACCESS has two steps (patch, enable) but exactly one transition of the universe."""
    enabled = [k for k, _ in states(on_access(rules)) if k.conv]
    return bool(enabled) and all(k.turns == 1 for k in enabled)


@claim("C27", "skip-the-check", "completes-early")
def c27(rules: Rules) -> bool:
    """S_K cannot finish after a thread has entered a function of P that is always in use."""
    m = machine(rules, L_P, S_K, hook=Hook.TICK, stays=(0,))
    inside = [s for s in states(m) if any(t.stack for t in s[1]) and not s[0].turns]
    after = explore(m, (0, 0))
    return bool(inside) and not _can_complete(m, inside) and after.completes


def _can_complete(m: Machine, begin: list[State]) -> bool:
    seen, todo = set(begin), list(begin)
    while todo:
        state = todo.pop()
        if state[0].phase == Phase.COMPLETE:
            return True
        for step in successors(m, state, Population.COUNTED):
            if step.state not in seen:
                seen.add(step.state)
                todo.append(step.state)
    return False


@claim("C28", "new-waits-for-old")
def c28(rules: Rules) -> bool:
    """skip shows old f and new f at once, a mix in a visit to P, and an old frame after done. So it
    is null, not strict L_F+S_K."""
    row = next(r for r in matrix.ROWS if r.name == "LEAVE_P+SWITCH_K")
    skipping = matrix.cells(matrix.observed(row, mutated("skip-the-check", rules)))
    literal = next(r for r in matrix.ROWS if r.name == "LEAVE_F+SWITCH_K")
    strict = next(r for r in matrix.ROWS if r.name == "LEAVE_F+SWITCH_K strict")
    shown = Seen.SAME_AT_ONCE | Seen.MIX_IN_P | Seen.OLD_AFTER_DONE
    return (
        skipping == matrix.cells(matrix.observed(literal, rules))
        and matrix.observed(literal, rules).seen & shown == shown
        and not matrix.observed(strict, rules).seen & (Seen.SAME_AT_ONCE | Seen.OLD_AFTER_DONE)
    )


@claim("C29", "skip-the-check")
def c29(rules: Rules) -> bool:
    """The same patch under L_P+S_T: no mix in a visit to P. The thread that is always inside stays
    old, and the others become new ("safer option")."""
    m = machine(rules, L_P, S_T, hook=Hook.TICK, stays=(0,))
    stuck = [
        threads
        for k, threads in states(m)
        if k.phase == Phase.TRANSITION and any(t.stack and t.stack[-1].univ == OLD for t in threads)
    ]
    others_new = any(t.u == (NEW,) for threads in stuck for t in threads)
    old_stays = all(t.u == (OLD,) for ts in stuck for t in ts if t.stack and not t.stack[-1].univ)
    return never(m, Seen.MIX_IN_P) and others_new and old_stays


@claim("C30")
def c30(rules: Rules) -> bool:
    """10 % of patches change data, 2 % change a function that is always in use. If independent, 0.2
    % are both, 1.8 % only the latter, and 90 % need no check (arithmetic on figures that are
    guesses)."""
    data_share, in_use = 0.10, 0.02
    both = data_share * in_use
    return abs(both - 0.002) < 1e-9 and abs(in_use - both - 0.018) < 1e-9 and 1 - data_share == 0.9


@claim("C31", "skip-the-check")
def c31(rules: Rules) -> bool:
    """With L_P, S_T finishes much faster than S_K: never later for any path (L8). The mean ratio is
    1.65 at N*p = 1, 4.9 at 3, and 899 at 10."""
    ratios = [
        mean_times(threads, share)[1] / mean_times(threads, share)[0]
        for threads, share in ((100, 0.01), (100, 0.03), (1000, 0.01))
    ]
    close = all(
        abs(got / said - 1) < 0.02 for got, said in zip(ratios, (1.65, 4.9, 899), strict=True)
    )
    return close and all(_never_later(rules, seed) for seed in range(40))


def _never_later(rules: Rules, seed: int) -> bool:
    """The same random schedule of visits under both: S_T is done when S_K is, or before."""
    by_thread = machine(Rules(), L_P, S_T)
    by_kernel = machine(rules, L_P, S_K)
    kinds = (0,) * 4
    a, b = by_thread.first(kinds), by_kernel.first(kinds)
    draw = random.Random(seed)
    for _ in range(200):
        place, rule = draw.randrange(-1, 4), draw.choice(("R1", "R2", "R3", "R4", "R6"))
        a, b = _take(by_thread, a, place, rule), _take(by_kernel, b, place, rule)
        if [area_frames(by_thread, t, 0) for t in a[1]] != [
            area_frames(by_kernel, t, 0) for t in b[1]
        ]:
            return False
        if b[0].turns and done(*b) and not done(*a):
            return False
    return True


def _take(m: Machine, state: State, place: int, rule: str) -> State:
    for step in successors(m, state, Population.ORDERED):
        if step.place == place and step.rule.split()[0] == rule:
            return step.state
    return state


@claim("C32")
def c32(rules: Rules) -> bool:
    """Policy: without a change of data, S_T. With a change of data, S_K (with WORLD), or any
    combination but null with ON_ACCESS."""
    plain_machine = machine(rules, L_P, S_T)
    plain = consistency.weakest(Needs(leave=L_P, switch=S_T))
    world = [
        (leave, switch)
        for leave, switch in product(Leave, Switch)
        if not consistency.refusal(Needs(leave=leave, switch=switch, transform=WORLD))
    ]
    access = [
        leave
        for leave, switch in product(Leave, Switch)
        if not consistency.refusal(Needs(leave=leave, switch=switch, transform=ON_ACCESS))
    ]
    return (
        plain.switch is S_T
        and all(switch is S_K for _, switch in world)
        and L_F not in access
        and stall(plain_machine, plain_machine.first((0, 0))) is None
    )
