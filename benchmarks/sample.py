# SPDX-License-Identifier: MIT
"""How many events a CPU second the sampler draws, against SimPy with a process for each thread.

Both let the same 1,000 threads come and go, and look for the first moment at which none is inside
(SWITCH_KERNEL, counted). The mean times must agree, or it was not the same workload.

Run from the root of the repository: python -m benchmarks.sample
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Generator

import numpy as np
import simpy

from lppack.forecast.lengths import exponential
from lppack.forecast.sampler import Counter, Load, SampledHook, whole_kernel

THREADS, VISIT, INSIDE = 1000, 1.0, 0.0075
GAP = VISIT * (1 - INSIDE) / INSIDE
RATIO_LIMIT = 20.0
ROUNDS, SAMPLES, SIMPY_SAMPLES = 5, 400, 20


def main() -> int:
    """Print what was measured; 1 if the ratio is below the limit, or the two disagree."""
    seed = int(os.environ.get("LPPACK_SEED") or random.SystemRandom().randrange(1 << 32))
    say(f"{THREADS} threads, {THREADS * INSIDE:g} inside on average, LPPACK_SEED={seed}")
    ours, theirs, ratios = [], [], []
    our_times: list[float] = []
    their_times: list[float] = []
    for number in range(ROUNDS):
        rate, times = measured(lambda n=number: sampled(seed + n))  # type: ignore[misc]
        ours.append(rate)
        our_times += times
        rate, times = measured(lambda n=number: simulated(seed + n))  # type: ignore[misc]
        theirs.append(rate)
        their_times += times
        ratios.append(ours[-1] / theirs[-1])
    row("sampler, events a CPU second", ours)
    row("SimPy, events a CPU second", theirs)
    row("ratio", ratios)
    apart = abs(statistics.mean(our_times) - statistics.mean(their_times))
    error = sum(statistics.variance(times) / len(times) for times in (our_times, their_times))
    agree = apart < 4 * error**0.5
    say(
        f"  mean time to finish: {statistics.mean(our_times):.1f} and "
        f"{statistics.mean(their_times):.1f} visits: {'agree' if agree else 'DIFFER'}"
    )
    fast = statistics.median(ratios) >= RATIO_LIMIT
    say(f"  at least {RATIO_LIMIT:g} times: {'ok' if fast else 'MISSED'}")
    return 0 if fast and agree else 1


def measured(work: Callable[[], tuple[int, list[float]]]) -> tuple[float, list[float]]:
    """(events a CPU second, times to finish)."""
    start = time.process_time()
    events, times = work()
    return events / (time.process_time() - start), times


def sampled(seed: int) -> tuple[int, list[float]]:
    load = Load(
        threads=THREADS,
        inside=INSIDE,
        visits=exponential(VISIT),
        gaps=exponential(GAP),
        hook=SampledHook.EXIT,
    )
    counter = Counter()
    dice = np.random.default_rng(seed)
    times = whole_kernel(
        [load],
        samples=SAMPLES,
        limit=1e9,
        tick=1.0,
        dice=dice,
        counter=counter,
        stages=1 << 62,
    )
    # Only what came before the end counts, as there: not what was drawn and not looked at.
    return events_until(times.tolist()), times.tolist()


def events_until(times: list[float]) -> int:
    """Entries and exits of all threads until those moments, as many as there are on average."""
    return round(sum(times) * 2 * THREADS / (VISIT + GAP)) + THREADS * len(times)


def simulated(seed: int) -> tuple[int, list[float]]:
    dice = random.Random(seed)
    times = []
    for _ in range(SIMPY_SAMPLES):
        world = simpy.Environment()
        state = _Count(world)
        for _ in range(THREADS):
            inside = dice.random() < INSIDE
            state.inside += inside
            world.process(_thread(world, state, dice, inside))
        if state.inside:
            world.run(until=state.clear)
        times.append(world.now)
    return events_until(times), times


class _Count:
    def __init__(self, world: simpy.Environment) -> None:
        self.inside = 0
        self.clear = world.event()


def _thread(
    world: simpy.Environment, state: _Count, dice: random.Random, inside: bool
) -> Generator[simpy.Event, None, None]:
    while True:
        if not inside:
            yield world.timeout(dice.expovariate(1 / GAP))
            state.inside += 1
        yield world.timeout(dice.expovariate(1 / VISIT))
        inside = False
        state.inside -= 1
        if not state.inside and not state.clear.triggered:
            state.clear.succeed()


def row(what: str, values: list[float]) -> None:
    say(
        f"  {what}: median {statistics.median(values):,.0f} "
        f"({min(values):,.0f} to {max(values):,.0f}, {len(values)} times)"
    )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main())
