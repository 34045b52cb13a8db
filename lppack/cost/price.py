# SPDX-License-Identifier: MIT
"""The price of a patch: instructions per call, calls per second, and share of a CPU."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lppack.cost.calls import CallRates
from lppack.cost.measured import SEVERAL, Measured, measured_for


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """The cost of one instruction on a host."""

    cycles_per_instruction: float
    ghz: float

    def share(self, instructions: float) -> float:
        """Return the share of one CPU that this number of instructions per second takes."""
        return instructions * self.cycles_per_instruction / (self.ghz * 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPrice:
    """The price of one replaced function."""

    object: str
    name: str
    per_second: float | None  # None: not counted, which does not mean 0
    why_not: str | None = None  # it was not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPrice:
    """The cost of all counted calls, redirected in one way."""

    path: str  # "not patched" or "ENGINE MODE"
    instructions: float  # of one call; where functions differ, of the dearest
    added: float  # to one call that is not redirected; likewise
    added_per_second: float | None  # by all counted calls; None: no function was counted
    before: float | None  # share of one CPU of the calls themselves, not redirected
    after: float | None  # redirected; None: what an instruction costs is not known

    @property
    def added_share(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The result of `cost`."""

    release: str
    measured: Measured
    functions: tuple[FunctionPrice, ...]
    cost: CallCost | None
    paths: tuple[PathPrice, ...]
    own: str | None = None  # the path that the bundle uses; None: of no bundle

    @property
    def exact(self) -> bool:
        """Return True if exactly this kernel was measured."""
        return self.measured.release == self.release

    @property
    def uncounted(self) -> tuple[FunctionPrice, ...]:
        return tuple(one for one in self.functions if one.per_second is None)


def price_of(
    functions: Sequence[tuple[str, str]],
    release: str,
    rates: CallRates | None,
    *,
    cycles_per_instruction: float | None = None,
    ghz: float | None = None,
    own: str | None = None,
) -> Price:
    """Price ``functions`` ((object, name)) on ``release``. Raise EnvironmentMissing.

    Given values override those from the files of ``rates``.
    """
    measured = measured_for(release)
    of_files = (rates.cycles_per_instruction, rates.ghz) if rates else (None, None)
    cycles = cycles_per_instruction or of_files[0]
    clock = ghz or of_files[1]
    cost = CallCost(cycles_per_instruction=cycles, ghz=clock) if cycles and clock else None
    priced = _functions(functions, rates)
    several = {name for name, count in Counter(of for of, _ in functions).items() if count > 1}
    return Price(
        release=release,
        measured=measured,
        functions=priced,
        cost=cost,
        own=own,
        paths=tuple(
            _path(path, measured, priced, several, cost)
            for path, *_ in measured.paths
            if not path.endswith(SEVERAL)
        ),
    )


def _path(
    path: str,
    measured: Measured,
    functions: Sequence[FunctionPrice],
    several: Collection[str],
    cost: CallCost | None,
) -> PathPrice:
    """Price all calls on one path; ``several``: objects with more than one replaced function."""
    medians = {name: median for name, median, _, _ in measured.paths}

    def instructions(one: FunctionPrice) -> float:
        alone = medians[path]
        return medians.get(path + SEVERAL, alone) if one.object in several else alone

    dearest = max((instructions(one) for one in functions), default=medians[path])
    calls = [(one.per_second, instructions(one)) for one in functions if one.per_second is not None]
    plain = math.fsum(rate * measured.unpatched for rate, _ in calls) if calls else None
    taken = math.fsum(rate * each for rate, each in calls) if calls else None
    return PathPrice(
        path=path,
        instructions=dearest,
        added=dearest - measured.unpatched,
        added_per_second=None if plain is None or taken is None else taken - plain,
        before=None if cost is None or plain is None else cost.share(plain),
        after=None if cost is None or taken is None else cost.share(taken),
    )


def _functions(
    functions: Sequence[tuple[str, str]], rates: CallRates | None
) -> tuple[FunctionPrice, ...]:
    copies = Counter(name for _, name in functions)
    made = []
    for object_, name in functions:
        rate = rates.per_second.get(name) if rates else None
        why = None
        if rates is None:
            why = "no file was given"
        elif rate is None:
            why = "no file names it"
        elif copies[name] > 1:
            rate, why = None, "two objects have one of this name, and files do not distinguish them"
        made.append(FunctionPrice(object=object_, name=name, per_second=rate, why_not=why))
    return tuple(made)
