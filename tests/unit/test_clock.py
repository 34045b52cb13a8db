# SPDX-License-Identifier: MIT
from lppack.clock import Deadline, SystemClock
from tests.kit.fake_kernel import FakeClock


def test_a_deadline_counts_from_the_moment_it_is_made() -> None:
    clock = FakeClock()
    clock.sleep(100)
    deadline = Deadline(10, clock)
    assert (deadline.elapsed, deadline.left, deadline.expired) == (0, 10, False)
    clock.sleep(9)
    assert (deadline.elapsed, deadline.left, deadline.expired) == (9, 1, False)
    clock.sleep(1)
    assert (deadline.left, deadline.expired) == (0, True)
    clock.sleep(5)
    assert (deadline.elapsed, deadline.left, deadline.expired) == (15, 0, True)


def test_a_pause_does_not_go_past_the_deadline() -> None:
    clock = FakeClock()
    deadline = Deadline(1, clock)
    deadline.pause(0.25)
    assert clock.now() == 0.25
    deadline.pause(5)
    assert clock.now() == 1
    deadline.pause(5)
    assert clock.now() == 1


def test_the_system_clock_moves() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0.01)
    assert 0.01 <= clock.now() - before < 5
