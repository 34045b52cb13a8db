# SPDX-License-Identifier: MIT
"""An axis of time, by its logarithm."""

import pytest

from lppack.analyse.curve import LEFT, WIDTH, Axis


def test_time_is_drawn_by_its_logarithm() -> None:
    axis = Axis(low=-4, high=2)
    assert axis.x(0.0) == axis.x(1e-9) == LEFT
    assert axis.x(0.1) == pytest.approx(LEFT + WIDTH / 2)
    assert axis.x(float("inf")) == axis.x(100.0) == LEFT + WIDTH
    assert axis.ticks[0] == (LEFT, "at once")
    assert axis.ticks[-1] == (LEFT + WIDTH, "100 s")
