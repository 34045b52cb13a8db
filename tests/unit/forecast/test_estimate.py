# SPDX-License-Identifier: MIT
"""From stacks to groups of threads that do the same."""

import math
from pathlib import Path
from typing import Any

import pytest

from lppack.errors import ManifestError
from lppack.forecast.estimate import groups
from lppack.forecast.group import Group
from lppack.forecast.watch import read_watch
from lppack.model import Counts, Visits, Workload
from tests.kit.made_machine import ENTRY, USER

NAMES = ("conn_send", "ep_poll")


def found(
    folder: Path, stacks: str, *visits: Visits, kernel: bool = False, **more: Any
) -> tuple[Group, ...]:
    file = folder / "s.folded"
    file.write_text(stacks)
    workload = Workload(stacks=file, visits=visits, **{"watched": 60.0, **more})
    return groups(read_watch(workload, NAMES), NAMES, kernel=kernel)


def inside(group: Group) -> dict[str, float]:
    return {part.function: part.inside for part in group.parts if part.inside}


def test_threads_whose_names_differ_in_numbers_are_one_group(tmp_path: Path) -> None:
    stacks = f"web-1;{ENTRY};ep_poll 20\nweb-1;{USER} 80\nweb-2;{USER} 100\ndb-3;{USER} 100\n"
    web, db = sorted(found(tmp_path, stacks), key=lambda group: -group.threads)
    assert (web.comm, web.threads) == ("web", 2)
    assert inside(web) == pytest.approx({"ep_poll": 0.1})
    assert (db.comm, db.threads, inside(db)) == ("db", 1, {})


def test_one_that_is_always_inside_is_stuck_and_apart_from_the_others(tmp_path: Path) -> None:
    others = "".join(f"web-{tid};{ENTRY};ep_poll 1\nweb-{tid};{USER} 99\n" for tid in range(2, 8))
    stuck, moving = found(tmp_path, f"web-1;{ENTRY};ep_poll 100\n{others}")
    assert (stuck.stuck, stuck.threads, stuck.inside) == (True, 1, 1.0)
    assert (moving.stuck, moving.threads) == (False, 6)
    assert moving.inside == pytest.approx(0.01)


def test_of_the_kernel_all_of_it_counts(tmp_path: Path) -> None:
    stacks = f"web-1;{ENTRY};vfs_read 30\nweb-1;{ENTRY};ep_poll 20\nweb-1;{USER} 50\n"
    [group] = found(tmp_path, stacks)
    assert group.inside == pytest.approx(0.2)
    [group] = found(tmp_path, stacks, kernel=True)
    assert group.inside == pytest.approx(0.5)


def test_entries_a_second_give_the_lengths(tmp_path: Path) -> None:
    stacks = f"web-1;{ENTRY};ep_poll 50\nweb-1;{USER} 50\n"
    rate = Visits(function="ep_poll", per_second=5.0)
    [group] = found(tmp_path, stacks, rate)
    [part] = [part for part in group.parts if part.inside]
    assert part.lengths is not None
    assert part.lengths.mean == pytest.approx(0.1)
    assert part.visits == pytest.approx(5.0 * 60)


def test_a_rate_for_all_is_shared_by_what_each_kind_was_seen_to_do(tmp_path: Path) -> None:
    stacks = "".join(
        f"{name};{ENTRY};ep_poll {hits}\n{name};{USER} {100 - hits}\n"
        for name, hits in (("web-1", 10), ("db-2", 30))
    )
    made = found(tmp_path, stacks, Visits(function="ep_poll", per_second=4.0))
    counted = {g.comm: p.visits for g in made for p in g.parts if p.function == "ep_poll"}
    assert counted == {"web": pytest.approx(60.0), "db": pytest.approx(180.0)}


def test_from_five_threads_on_it_is_seen_how_they_differ(tmp_path: Path) -> None:
    def stacks(count: int) -> str:
        return "".join(
            f"web-{n};{ENTRY};ep_poll {10 * n}\nweb-{n};{USER} {100 - 10 * n}\n"
            for n in range(1, count + 1)
        )

    [few] = found(tmp_path, stacks(4))
    [many] = found(tmp_path, stacks(5))
    assert few.spread is None
    assert many.spread == pytest.approx(0.025)


def test_lines_without_ids_need_the_number_of_threads(tmp_path: Path) -> None:
    stacks = f"web;{ENTRY};ep_poll 20\nweb;{USER} 180\n"
    with pytest.raises(ManifestError, match='how many threads are called "web"') as caught:
        found(tmp_path, stacks)
    assert "comm: web" in str(caught.value.problems[0].hint)
    told = Visits(function="ep_poll", comm="web", threads=2, per_second=1.0)
    [group] = found(tmp_path, stacks, told)
    assert group.threads == 2
    assert group.inside == pytest.approx(0.1)


def test_microseconds_are_a_share_of_what_was_watched(tmp_path: Path) -> None:
    stacks = f"web-1;{ENTRY};ep_poll 6000000\n"
    [group] = found(tmp_path, stacks, counts=Counts.MICROSECONDS)
    assert group.inside == pytest.approx(0.1)
    assert all(part.samples == math.inf for part in group.parts)
    with pytest.raises(ManifestError, match="counts microseconds"):
        found(tmp_path, stacks, counts=Counts.MICROSECONDS, watched=None)


def test_more_than_the_threads_can_do_is_refused(tmp_path: Path) -> None:
    stacks = f"web-1;{ENTRY};ep_poll 50\nweb-1;{USER} 50\n"
    with pytest.raises(ManifestError, match="1 threads cannot be in ep_poll"):
        found(tmp_path, stacks, Visits(function="ep_poll", seconds=2.0, per_second=5.0))


def test_without_stacks_it_is_what_was_declared() -> None:
    told = Visits(function="ep_poll", comm="web", threads=4, seconds=2.0, per_second=1.0)
    [group] = groups(read_watch(Workload(visits=(told,)), NAMES), NAMES)
    assert group.comm == "web"
    assert group.inside == pytest.approx(0.5)
