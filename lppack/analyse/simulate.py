# SPDX-License-Identifier: MIT
"""simulate: is this mode safe for this patch, and will it ever finish?"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lppack import abi, consistency
from lppack.analyse.assumed import assumptions
from lppack.checker import observe, runs, scenario
from lppack.checker.explorer import Population, explore
from lppack.checker.machine import Machine
from lppack.checker.progress import stall
from lppack.checker.runs import Run
from lppack.checker.scenario import Patch
from lppack.checker.semantics import Rules
from lppack.consistency import EngineName, Mode, ModeName
from lppack.errors import AnswerIsNo
from lppack.model import Manifest

_THREADS = (1, 2, 4, 8)
_ENOUGH = 3_000  # states; after an exploration of more, no more threads are tried
LIMIT = 60_000  # states of one exploration


class Verdict(StrEnum):
    """What a simulation found; the worst is first."""

    UNSAFE = "unsafe"
    NEVER_FINISHES = "never-finishes"
    MAY_STALL = "may-stall"
    SAFE = "safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """What keeps a transition open."""

    function: str | None  # None: no single function
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """One exploration; ``threads``: how many threads it has, None: any number."""

    what: str
    threads: int | None
    states: int
    events: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The answer for one mode."""

    mode: Mode
    verdict: Verdict
    forbidden: tuple[observe.Seen, ...]
    reached: tuple[observe.Seen, ...]  # of the forbidden
    violations: tuple[Run, ...]  # a run for each that is reached with few threads
    blockers: tuple[Blocked, ...]
    never_ends: bool  # True: for ever; False: the blockers may go away
    explored: tuple[Explored, ...]
    assumptions: tuple[str, ...]
    empty: str | None  # why "safe" would be meaningless; None: it has a meaning
    covers: bool  # whether the mode covers the needs; no other mode is ever applied
    preempted: EngineName | None  # the engine, if kernel code is preempted

    @property
    def whole(self) -> bool:
        """True if no exploration stopped at its limit."""
        return all(entry.whole for entry in self.explored)

    @property
    def states(self) -> int:
        return sum(entry.states for entry in self.explored)

    @property
    def events(self) -> int:
        return sum(entry.events for entry in self.explored)

    @property
    def ok(self) -> bool:
        return self.verdict in (Verdict.SAFE, Verdict.MAY_STALL)

    @property
    def is_safe(self) -> bool:
        return self.verdict is Verdict.SAFE

    @property
    def findings(self) -> Iterator[tuple[bool, str, str]]:
        """(was it reached, what it is, invariant) of each forbidden flag."""
        for flag in self.forbidden:
            invariant, what = observe.WORDS[flag]
            yield flag in self.reached, what, invariant

    @property
    def unshown(self) -> tuple[str, ...]:
        """What is reached, but by no run that was found."""
        shown = {run.flag for run in self.violations}
        return tuple(observe.WORDS[flag][1] for flag in self.reached if flag not in shown)


def empty(patch: Patch) -> str | None:
    """Return why "safe" would be meaningless for this patch; None if it has a meaning."""
    if not patch.functions:
        return "no function is replaced"
    return None if scenario.forbidden(patch.needs) else "nothing is declared that must hold"


def patch_of(manifest: Manifest) -> Patch:
    """Return the part of a manifest that the simulator uses."""
    functions = tuple(dict.fromkeys(f.old for entry in manifest.objects for f in entry.functions))
    return Patch(
        functions=functions,
        needs=manifest.needs,
        calls=_calls(manifest),
        sleeps=manifest.workload.sleeps if manifest.workload else (),
        interdependent=manifest.interdependent,
    )


def _calls(manifest: Manifest) -> dict[str, tuple[str, ...]] | None:
    """Map each function to those that it calls, as declared; None without ``workload.calls``."""
    workload = manifest.workload
    if workload is None or not workload.calls:
        return None
    calls = {name: list(called) for name, called in workload.calls}
    for stack in workload.threads:
        for caller, called in zip(stack, stack[1:], strict=False):
            calls.setdefault(caller, []).append(called)
    return {name: tuple(dict.fromkeys(called)) for name, called in calls.items()}


def simulate(
    manifest: Manifest,
    mode: ModeName | None = None,
    rules: Rules | None = None,
    *,
    preempted: EngineName | None = None,
) -> Simulation:
    """Explore ``manifest`` in the mode of ``mode_of()``.

    ``preempted``: the engine that moves threads, if kernel code is preempted. If it does not give
    the mode, the first engine that does is used instead.
    """
    chosen = consistency.mode_named(mode_of(manifest, mode))
    return _simulate(patch_of(manifest), chosen, rules or Rules(), preempted)


def mode_of(manifest: Manifest, mode: ModeName | None) -> ModeName:
    """Return ``mode``, or the manifest's mode, or the weakest mode that covers the needs."""
    return mode or manifest.mode or consistency.weakest(manifest.needs).name


def compare(
    manifest: Manifest, rules: Rules | None = None, *, preempted: EngineName | None = None
) -> tuple[Simulation, ...]:
    """Explore ``manifest`` in every mode."""
    patch = patch_of(manifest)
    return tuple(_simulate(patch, mode, rules or Rules(), preempted) for mode in consistency.MODES)


def recommended(simulations: tuple[Simulation, ...]) -> ModeName | None:
    """Return the weakest safe mode that covers the needs, or else the weakest that may stall.

    Return None if there is neither, or if the patch declares nothing to check.
    """
    if any(made.empty for made in simulations):
        return None
    verdicts = {made.mode.name: made.verdict for made in simulations if made.covers}
    for wanted in (Verdict.SAFE, Verdict.MAY_STALL):
        for name in consistency.AUTO_ORDER:
            if verdicts.get(name) is wanted:
                return name
    return None


def replay(
    manifest: Manifest,
    mode: ModeName,
    flag: str,
    said: list[tuple[str, str]],
    threads: int,
    preempted: EngineName | None = None,
) -> Run:
    """Repeat a run that was found before. Raise AnswerIsNo if the rules do not allow it.

    ``flag``: the name of a Seen. ``said``: ("T1" or "engine", what it does) of each step.
    """
    patch, chosen = patch_of(manifest), consistency.mode_named(mode)
    machines = (
        scenario.switching(patch, chosen, Rules(), preempted=preempted),
        scenario.converting(patch, chosen, Rules()),
    )
    wrong = "there is nothing to replay"
    for m in filter(None, machines):
        try:
            return runs.replay(m, observe.Seen[flag], threads, said)
        except LookupError as error:
            wrong = str(error)
    raise AnswerIsNo(
        f"the run does not fit this patch in mode {mode}: {wrong}",
        hint=f"find it again: lppack simulate {manifest.folder} --mode {mode}",
    )


def _simulate(patch: Patch, mode: Mode, rules: Rules, preempted: EngineName | None) -> Simulation:
    if preempted and preempted not in mode.engines:
        preempted = mode.engines[0]
    wanted = scenario.forbidden(patch.needs)
    machines = [("switching", scenario.switching(patch, mode, rules, preempted=preempted))]
    if converting := scenario.converting(patch, mode, rules):
        machines.append(("data", converting))
    reached: list[observe.Seen] = []
    violations: list[Run] = []
    explored: list[Explored] = []
    for what, m in machines:
        seen = functools.reduce(int.__or__, _explore(m, what, wanted, explored)) & wanted
        flags = [flag for flag in observe.names(seen) if flag in observe.WORDS]
        reached += flags
        violations += [run for flag in flags if (run := runs.shortest(m, flag))]
    blockers, never = ends(patch, mode, rules, explored)
    return Simulation(
        mode=mode,
        verdict=verdict_of(unsafe=bool(reached), never=never, blocked=bool(blockers)),
        forbidden=tuple(observe.names(wanted)),
        reached=tuple(reached),
        violations=tuple(violations),
        blockers=blockers,
        never_ends=never,
        explored=tuple(explored),
        assumptions=tuple(assumptions(patch, mode, preempted)),
        empty=empty(patch),
        covers=mode.covers(patch.needs),
        preempted=preempted,
    )


def verdict_of(*, unsafe: bool, never: bool, blocked: bool) -> Verdict:
    if unsafe:
        return Verdict.UNSAFE
    return Verdict.NEVER_FINISHES if never else Verdict.MAY_STALL if blocked else Verdict.SAFE


def _explore(m: Machine, what: str, wanted: int, explored: list[Explored]) -> Iterator[int]:
    """Yield the flags that are seen with 1, 2, 4 and 8 threads, then with any number.

    Stop after a forbidden one. If calls can be preempted, any number has too many states.
    """
    from lppack.checker.counted import count  # late: with numpy

    states = 0
    for threads in (*_THREADS, None):
        if (threads is None and m.preempted) or (threads is not None and states > _ENOUGH):
            continue
        found = (
            explore(m, (0,), Population.PRESENT, limit=LIMIT)
            if threads is None
            else count(m, (0,) * threads, limit=LIMIT)
        )
        explored.append(
            Explored(
                what=what,
                threads=threads,
                states=found.states,
                events=found.events,
                whole=found.whole,
            )
        )
        states = found.states
        yield found.seen
        if found.seen & wanted:
            return


def ends(
    patch: Patch, mode: Mode, rules: Rules, explored: list[Explored]
) -> tuple[tuple[Blocked, ...], bool]:
    """Return what keeps the transition open, and True if it never ends; append to ``explored``."""
    m, first = scenario.ending(patch, mode, rules)
    found = explore(m, first=(first[0], tuple(sorted(first[1]))), limit=LIMIT)
    explored.append(
        Explored(
            what="progress",
            threads=len(first[1]),
            states=found.states,
            events=found.events,
            whole=found.whole,
        )
    )
    if not found.completes:
        return tuple(
            Blocked(function=name, reason=f"{name}() is never left ({abi.NEVER_LEFT[name]})")
            for name in patch.never_left
        ), True
    open_for_ever = stall(m, first)
    if open_for_ever is None:
        return (), False
    slept = tuple(
        Blocked(
            function=name,
            reason=f"threads sleep in {name}() as long as they like "
            f"({abi.SLEPT_IN.get(name, 'workload: sleeps')})",
        )
        for name in patch.slept_in
    )
    return slept or (
        Blocked(function=None, reason="visits to the patched functions can overlap for ever"),
    ), False
