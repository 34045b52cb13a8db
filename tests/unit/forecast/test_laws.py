# SPDX-License-Identifier: MIT
import pytest

from tests.kit.laws import mean_times


@pytest.mark.parametrize(
    ("threads", "share", "by_thread", "by_kernel"),
    [
        (1, 0.1, 0.1, 0.1),
        (100, 0.01, 0.80, 1.32),
        (100, 0.03, 1.7, 8.3),
        (100, 0.05, 2.2, 40.7),
        (1000, 0.01, 2.9, 2588),
        (3000, 0.01, 4.0, 4.2e11),
    ],
)
def test_the_law_of_times(threads: int, share: float, by_thread: float, by_kernel: float) -> None:
    assert mean_times(threads, share) == pytest.approx((by_thread, by_kernel), rel=0.05)
