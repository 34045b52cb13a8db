# SPDX-License-Identifier: MIT
"""Groups of threads that nobody has watched: what is declared of them, and what is known."""

import math
from typing import Any

import pytest

from lppack.errors import ManifestError
from lppack.forecast.declared import ALL, SOMEBODY, assumed, declared, elsewhere
from lppack.forecast.watch import Watch
from lppack.model import Visits, Workload

KERNEL = "do_syscall_64"
NAMES = ("ep_poll", "conn_send")


def watch(*visits: Visits, **more: tuple[str, ...]) -> Watch:
    histograms = tuple((one, None) for one in visits)
    return Watch(workload=Workload(visits=visits), stacks=None, histograms=histograms, **more)


def visits(function: str = "ep_poll", comm: str | None = "web", **more: object) -> Visits:
    values = {"threads": 4, "seconds": 2.0, "per_second": 1.0, **more}
    return Visits(function=function, comm=comm, **values)  # type: ignore[arg-type]


def test_the_share_of_one_thread() -> None:
    """One entry a second of 2 s, among four threads: each is inside for half of the time."""
    [group] = declared(watch(visits()), NAMES, kernel=False)
    assert (group.comm, group.threads) == ("web", 4)
    assert group.inside == pytest.approx(0.5)
    assert group.spread == 0.0 and not group.stuck
    [part] = group.parts
    assert part.lengths is not None and part.lengths.mean == pytest.approx(2.0)
    assert part.samples == math.inf


def test_what_is_said_of_one_kind_of_thread_is_one_group() -> None:
    groups = declared(
        watch(
            visits(),
            visits("conn_send"),
            visits(comm=None),
            visits(kthread=True),
            visits("vfs_read"),
        ),
        NAMES,
        kernel=False,
    )
    assert [(g.comm, g.kthread, [p.function for p in g.parts]) for g in groups] == [
        ("web", False, ["ep_poll", "conn_send"]),
        (ALL, False, ["ep_poll"]),
        ("web", True, ["ep_poll"]),
    ]


def test_tasks_are_asked_for_the_kernel_and_kernel_threads_for_the_functions() -> None:
    seen = watch(visits(), visits(KERNEL), visits("conn_send", "kworker", kthread=True))
    found = declared(seen, NAMES, kernel=True)
    assert [(g.comm, g.parts[0].function) for g in found] == [
        ("web", KERNEL),
        ("kworker", "conn_send"),
    ]


@pytest.mark.parametrize("key", ["threads", "seconds", "per_second"])
def test_what_does_not_say_enough_is_no_group(key: str) -> None:
    less: dict[str, Any] = {key: None}
    assert declared(watch(visits(**less)), NAMES, kernel=False) == ()


@pytest.mark.parametrize("rate", [2.001, 3.0])
def test_more_than_all_of_the_time_is_refused(rate: float) -> None:
    with pytest.raises(ManifestError, match="4 threads cannot be in ep_poll") as caught:
        declared(watch(visits(per_second=rate)), NAMES, kernel=False)
    assert caught.value.problems[0].hint


def test_a_function_that_a_thread_never_leaves_has_one_inside() -> None:
    [group] = assumed(watch(stays=("worker_thread",)), (), kernel=False)
    assert (group.comm, group.kthread, group.stuck) == (SOMEBODY, True, True)
    assert (group.inside, group.watched) == (1.0, math.inf)
    [sleeper] = assumed(watch(sleeps=("ep_poll",)), (), kernel=False)
    assert (sleeper.kthread, sleeper.watched) == (False, None)


def test_what_was_declared_of_a_function_is_believed() -> None:
    seen = watch(visits(), stays=("ep_poll",), sleeps=("ep_poll",))
    assert assumed(seen, (), kernel=False) == ()
    whole = watch(visits(KERNEL), sleeps=("conn_send",))
    assert assumed(whole, (), kernel=True) == (), "visits to all of the kernel hold those"
    assert len(assumed(whole, (), kernel=False)) == 1


def test_threads_of_which_only_another_area_is_declared() -> None:
    seen = watch(visits(), visits(KERNEL, "db"), visits(KERNEL, "web", threads=1, seconds=0.6))
    in_kernel = elsewhere(seen, NAMES, kernel=True)
    assert [(g.comm, g.threads) for g in in_kernel] == [("web", 3)], "one of four is known"
    in_functions = elsewhere(seen, NAMES, kernel=False)
    assert [(g.comm, g.threads) for g in in_functions] == [("db", 4)]


def test_of_visits_that_may_nest_the_one_that_takes_most_is_taken() -> None:
    [group] = elsewhere(watch(visits(), visits("conn_send", seconds=3.0)), NAMES, kernel=True)
    assert [part.function for part in group.parts] == ["conn_send"]


def test_less_in_the_kernel_than_in_a_function_is_refused() -> None:
    seen = watch(visits(), visits(KERNEL, seconds=0.5))
    with pytest.raises(ManifestError, match="a thread that is in a function is in the kernel"):
        elsewhere(seen, NAMES, kernel=True)
