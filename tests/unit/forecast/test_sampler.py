# SPDX-License-Identifier: MIT
"""The sampler against what can be computed, and against the laws of docs/semantics.md, 1.5."""

import math

import numpy as np
import pytest

from lppack.forecast.lengths import (
    Floats,
    exponential,
    fixed,
)
from lppack.forecast.sampler import Counter, Load, SampledHook, each_thread, whole_kernel

SEED = 20141107


def dice() -> np.random.Generator:
    return np.random.default_rng(SEED)


def load(
    threads: int, inside: float, *, mean: float = 1.0, hook: SampledHook = SampledHook.EXIT
) -> Load:
    gap = mean * (1 - inside) / inside
    return Load(
        threads=threads,
        inside=inside,
        visits=exponential(mean),
        gaps=exponential(gap),
        hook=hook,
    )


def kernel(*loads: Load, samples: int = 2000, limit: float = 1e6, tick: float = 1.0) -> Floats:
    return whole_kernel(loads, samples=samples, limit=limit, tick=tick, dice=dice())


def threads(*loads: Load, samples: int = 20000, limit: float = 1e6, tick: float = 1.0) -> Floats:
    return each_thread(loads, samples=samples, limit=limit, tick=tick, dice=dice())


# The exact means of two-state exponential threads, in mean visits: SWITCH_KERNEL grows like
# e^(Np) / (Np), SWITCH_THREAD like the logarithm of Np.
LAW = [(1, 0.1, 0.1, 0.1), (20, 0.05, 1.31, 0.79), (100, 0.05, 40.7, 2.2)]


@pytest.mark.parametrize(("number", "inside", "of_kernel", "of_threads"), LAW)
def test_the_scaling_law(number: int, inside: float, of_kernel: float, of_threads: float) -> None:
    alone = threads(load(number, inside)).mean()
    assert alone == pytest.approx(of_threads, rel=0.06)
    if number > 1:  # of a single thread, 2,000 samples are too few
        assert kernel(load(number, inside)).mean() == pytest.approx(of_kernel, rel=0.1)


def test_a_pool_of_fast_threads_takes_as_long_as_threads_one_by_one() -> None:
    """Ten thousand threads are more stages than are drawn one by one."""
    many = kernel(load(20_000, 0.0002), samples=4000).mean()
    few = kernel(load(40, 0.1), samples=2000).mean()
    # Exact: the sum over k of (Np)^k / (k k!), and with 40 threads a little more.
    assert many == pytest.approx(17.7, rel=0.06)
    assert few == pytest.approx(many, rel=0.2)


def test_fast_and_slow_threads_together() -> None:
    slow, fast = load(1, 0.5, mean=10.0), load(30, 0.02, mean=1e-4)
    together = kernel(slow, fast, samples=4000)
    assert (together == 0).mean() == pytest.approx(0.5 * 0.98**30, abs=0.03)
    assert together.mean() == pytest.approx(threads(slow).mean(), rel=0.1)


def test_the_same_seed_gives_the_same_times() -> None:
    assert (kernel(load(50, 0.05)) == kernel(load(50, 0.05))).all()
    assert (threads(load(50, 0.05)) == threads(load(50, 0.05))).all()


def test_never_later_thread_by_thread() -> None:
    """L8."""
    for number in (10, 60):
        whole = np.sort(kernel(load(number, 0.05)))
        alone = np.sort(threads(load(number, 0.05), samples=len(whole)))
        assert np.median(alone) <= np.median(whole)
        assert alone.mean() <= whole.mean()


def test_who_never_leaves_holds_up_both() -> None:
    """L5: the kernel never flips, and the transition of threads is never complete."""
    stuck = Load(threads=1, inside=1.0, visits=None, gaps=None, hook=SampledHook.EXIT)
    assert np.isinf(kernel(load(5, 0.01), stuck, samples=10)).all()
    assert np.isinf(threads(load(5, 0.01), stuck, samples=10)).all()


def test_who_never_enters_holds_up_nothing() -> None:
    idle = Load(threads=500, inside=0.0, visits=None, gaps=None, hook=SampledHook.EXIT)
    assert not kernel(idle, samples=10).any()
    assert not threads(idle, samples=10).any()


def test_ticks_miss_what_exits_see() -> None:
    """L4: outside for a moment, a thread that sleeps and sleeps again is hardly ever met there."""
    seen = load(1, 0.99, mean=0.8)
    missed = load(1, 0.99, mean=0.8, hook=SampledHook.TICK)
    assert np.median(threads(seen)) < 2
    assert np.median(threads(missed, limit=1000.0)) > 20
    assert np.isinf(threads(missed, limit=10.0)).mean() > 0.5
    assert np.median(kernel(missed, limit=1000.0)) > 20


def test_ticks_find_fast_threads_by_chance() -> None:
    fast = load(10, 0.1, mean=1e-5, hook=SampledHook.TICK)
    tries = kernel(fast, samples=20000, limit=1000.0)
    assert (tries == 0).mean() == pytest.approx(0.9**10, abs=0.02)
    assert tries.mean() == pytest.approx((1 - 0.9**10) / 0.9**10, rel=0.05)
    slower = load(
        10, 0.1, mean=0.04, hook=SampledHook.TICK
    )  # drawn one by one, and as good as forgotten
    assert kernel(slower, samples=4000, limit=200.0).mean() == pytest.approx(tries.mean(), rel=0.1)


def test_a_fixed_sleep_ends_at_the_latest_after_its_length() -> None:
    made = Load(
        threads=30, inside=0.5, visits=fixed(2.0), gaps=exponential(2.0), hook=SampledHook.EXIT
    )
    times = threads(made)
    assert times.max() <= 2.0
    assert np.median(times) > 1.8


def test_stages_are_counted() -> None:
    counter = Counter()
    whole_kernel([load(100, 0.03)], samples=3, limit=1e6, tick=1.0, dice=dice(), counter=counter)
    assert counter.stages > 300
    assert math.isfinite(counter.stages)
