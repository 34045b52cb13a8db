# SPDX-License-Identifier: MIT
"""The gate at the border, as it is drawn: held against what can be computed."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from lppack.forecast.gate import FIRST, LAST, _Crowd, gated, windows
from lppack.forecast.lengths import Floats, Lengths, exponential, fixed
from lppack.forecast.sampler import STAGES_MAX, Load, SampledHook


def load(threads: int, inside: float, visits: Lengths | None) -> Load:
    gaps = exponential(visits.mean * (1 - inside) / inside) if visits and inside < 1 else None
    return Load(threads=threads, inside=inside, visits=visits, gaps=gaps, hook=SampledHook.TICK)


def times(
    loads: list[Load],
    kthreads: list[Load] | None = None,
    limit: float = 60.0,
    stages: int = STAGES_MAX,
) -> Floats:
    dice = np.random.default_rng(5)
    return gated(loads, kthreads or [], samples=4000, limit=limit, dice=dice, stages=stages)


def test_it_is_shut_for_longer_and_longer_up_to_a_limit() -> None:
    """kmod/engine/gate.c: 100 ms, twice that, up to 1.6 s; open for half as long."""
    made = list(windows(10.0))
    assert [shut for _, shut, _ in made[:6]] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 1.6])
    assert [begin for begin, _, _ in made[:4]] == pytest.approx([0.0, 0.15, 0.45, 1.05])
    assert made[-1][0] + made[-1][1] == pytest.approx(10.0)


def test_nobody_inside_is_at_once() -> None:
    assert (times([load(10, 0.0, None)]) == 0).all()


def test_short_visits_end_in_the_first_window() -> None:
    """The last of many exponential rests: the mean is the sum of mean / k."""
    made = times([load(50, 1 - 1e-9, exponential(0.01))])
    assert made.mean() == pytest.approx(0.01 * sum(1 / k for k in range(1, 51)), rel=0.03)


def test_a_visit_that_outlasts_a_window_ends_in_a_later_one() -> None:
    """One thread, visits of 1 s: within 0.1 s by a chance of 0.1; else it is met in its rest."""
    made = times([load(1, 1 - 1e-9, fixed(1.0))])
    assert (made <= 0.1).mean() == pytest.approx(0.1, abs=0.02)
    assert (made < 60).all()
    assert not ((made > 0.1) & (made < 0.15)).any(), "the gate is open then"


def test_threads_wait_for_their_next_visit_while_it_is_shut() -> None:
    """Always inside, but for instants: only in a window that outlasts all rests is nobody there."""
    made = times([load(30, 0.999, fixed(1.0))])
    assert made.min() >= 1.05, "no window before the one of 0.8 s can be long enough"
    assert (made < 60).mean() > 0.99
    assert np.isinf(times([load(30, 0.999, fixed(4.0))])).mean() > 0.99


def test_kernel_threads_are_not_held() -> None:
    kthread = load(1, 0.5, fixed(0.3))
    alone = times([], [kthread])
    assert (alone == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert (times([load(5, 0.5, fixed(0.05))], [kthread]) < 60).all()
    assert np.isinf(times([], [load(1, 1.0, None)])).all()
    assert np.isinf(times([load(1, 1.0, None)])).all()


def test_who_leaves_for_good_does_not_come_back() -> None:
    once = Load(threads=3, inside=1.0, visits=exponential(5.0), gaps=None, hook=SampledHook.EXIT)
    made = times([once], limit=1000.0)
    mean = 5.0 * (1 + 1 / 2 + 1 / 3)
    assert mean < made.mean() < mean + 0.8, "and the engine sees it when the gate is shut"
    assert math.isfinite(made.max())


def test_a_gap_passes_while_it_is_open_and_a_visit_all_the_time() -> None:
    def crowd(visits: float, gaps: float) -> _Crowd:
        made = Load(
            threads=1, inside=1e-9, visits=fixed(visits), gaps=fixed(gaps), hook=SampledHook.EXIT
        )
        one = _Crowd(made, 1, np.random.default_rng(1))
        one._until[:], one._gap[:] = 0.0, gaps
        return one

    slow = crowd(0.01, 0.12)
    for begin, gap, until in ((1.0, 0.07, 0.0), (2.0, 0.02, 0.0), (3.0, 0.10, 3.03)):
        slow.open(begin, 0.05)
        assert (slow._gap[0, 0], slow.last()[0]) == pytest.approx((gap, until))
    fast = crowd(0.01, 0.01)
    fast.open(1.0, 0.055)
    assert (fast._gap[0, 0], fast.last()[0]) == pytest.approx((0.01, 1.06)), "three in a row"


def test_it_is_shut_for_as_long_as_the_engine_shuts_it() -> None:
    source = (Path(__file__).parents[3] / "kmod/engine/gate.c").read_text()
    found = dict(re.findall(r"#define LPE_(\w+)_GATE\s+(\d+)", source))
    assert int(found["FIRST"]) == round(FIRST * 1000)
    assert int(found["LAST"]) == round(LAST * 1000)
    assert "end = jiffies + msecs_to_jiffies(ms / 2)" in source, "it is open for half as long"


@pytest.mark.parametrize("visits", [0.004, 0.03, 0.05])
def test_a_pool_takes_as_long_as_threads_one_by_one(visits: float) -> None:
    """The control of the short cut, for visits that are short beside the windows."""
    both = [load(40, 0.3, exponential(visits)), load(3, 0.5, fixed(visits))]
    alone, pool = (np.sort(times(both, stages=stages)) for stages in (STAGES_MAX, 0))
    for at in (400, 2000, 3600):
        assert pool[at] == pytest.approx(alone[at], rel=0.12, abs=1e-3)


def test_who_leaves_for_good_is_never_in_a_pool() -> None:
    once = Load(threads=1, inside=1.0, visits=fixed(30.0), gaps=None, hook=SampledHook.EXIT)
    made = times([once], stages=0)
    assert (made < 60).all()
    assert made.mean() == pytest.approx(15.4, abs=0.5)
