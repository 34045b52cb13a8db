# SPDX-License-Identifier: MIT
"""What a prediction does not know is said beside it, and what it knows is not."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lppack.consistency import ModeName, mode_named
from lppack.forecast.declared import SOMEBODY
from lppack.forecast.group import Group, Part
from lppack.forecast.lengths import exponential
from lppack.forecast.unknown import ALWAYS_UNKNOWN, unknown
from lppack.forecast.watch import Watch, read_watch
from lppack.model import Visits, Workload
from tests.kit.made_machine import ENTRY, USER

PART = Part(function="f", inside=0.2, samples=math.inf, visits=500.0, lengths=exponential(2.0))
GROUP = Group(comm="web", kthread=False, threads=4, watched=60.0, parts=(PART,))
NOTHING = Watch(workload=Workload(), stacks=None, histograms=())


def told(
    *found: Group,
    watch: Watch = NOTHING,
    mode: ModeName = ModeName.HYBRID,
    functions: tuple[str, ...] = ("f", "g"),
    **more: Any,
) -> list[str]:
    """Without what is never known."""
    known: dict[str, Any] = {"slow": (), "blind": False, "bound": (), "enough": 60.0, **more}
    slow = known.pop("slow")
    lines = [*unknown(watch, found, functions, mode_named(mode), slow, **known)]
    return [line for line in lines if line not in ALWAYS_UNKNOWN]


def stacks(folder: Path, text: str) -> Watch:
    file = folder / "s.folded"
    file.write_text(text)
    return read_watch(Workload(stacks=file, watched=60.0), ("f", "g"))


def test_where_all_is_known_only_the_usual_is_said() -> None:
    assert told(GROUP) == []
    mode = mode_named(ModeName.HYBRID)
    lines = [*unknown(NOTHING, [GROUP], ("f",), mode, (), blind=False, bound=(), enough=60.0)]
    assert tuple(lines) == ALWAYS_UNKNOWN


@pytest.mark.parametrize("mode", ModeName)
def test_the_usual_is_said_of_each_mode_that_waits(mode: ModeName) -> None:
    lines = [
        *unknown(NOTHING, [GROUP], ("f",), mode_named(mode), (), blind=False, bound=(), enough=1)
    ]
    waits = mode_named(mode).leave.name != "LEAVE_FUNCTION"
    assert (set(ALWAYS_UNKNOWN) <= set(lines)) is waits


def test_each_doubt_is_named() -> None:
    few = replace(GROUP, parts=(replace(PART, visits=99.0),))
    two = replace(GROUP, parts=(PART, replace(PART, function="g")))
    stuck = replace(GROUP, stuck=True, watched=5.0)
    for lines, words in (
        (told(GROUP, blind=True), "no stack shows where the kernel begins"),
        (told(few), "f: fewer than 100 visits were seen"),
        (told(two), "whether visits of web to f, g nest"),
        (told(GROUP, slow=[GROUP]), "how long web stays in f: stacks have no time scale"),
        (told(stuck), "whether web ever leaves f: it was inside for all of 5 s"),
        (told(GROUP, bound=[GROUP]), "for how much of a visit to the kernel web is in"),
        (
            told(GROUP, bound=[GROUP], mode=ModeName.KGRAFT),
            "how long web stays in the kernel: visits to f are declared",
        ),
    ):
        [line] = [line for line in lines if words in line]
        assert line


def test_to_watch_for_longer_is_said_only_of_what_was_watched_for_less() -> None:
    short, long = (replace(GROUP, stuck=True, watched=seconds) for seconds in (5.0, 90.0))
    assert "watch for 60 s at least" in told(short)[0]
    assert "at least" not in told(long)[0]


def test_what_nobody_has_watched_is_told_by_what_is_known_of_any_machine() -> None:
    never = replace(GROUP, comm=SOMEBODY, stuck=True, watched=math.inf)
    assert told(never) == ["f: not watched, and it is known that a thread never leaves it"]
    sleeps = replace(never, watched=None)
    assert told(sleeps)[0].endswith("a thread may sleep there for as long as it likes")


def test_a_function_of_which_nothing_is_declared() -> None:
    told_of_f = Visits(function="f", threads=1, seconds=1.0, per_second=0.1)
    watch = Watch(workload=Workload(), stacks=None, histograms=((told_of_f, None),))
    [line] = told(GROUP, watch=watch)
    assert line == "g: no visits are declared, so it is taken as never entered"


def test_of_stacks(tmp_path: Path) -> None:
    seen = stacks(tmp_path, f"web-1;{ENTRY};f;g 500\nweb-1;{USER} 500\n")
    lines = told(GROUP, watch=seen, functions=("f", "g", "h"))
    assert lines[0] == (
        "h: in none of the stacks (1000); a thread is inside for less than 0.003 of the time"
    )
    assert lines[1].startswith("g: only seen below other replaced functions")
    one = stacks(tmp_path, f"web-1;{USER} 1\n")
    assert "for less than 1 of the time" in told(watch=one, functions=("h",))[0]


def test_a_profile_of_cpus_is_suspected(tmp_path: Path) -> None:
    even = stacks(tmp_path, f"web-1;{USER} 10\nweb-2;{USER} 100\n")
    assert not any("profile of CPUs" in line for line in told(watch=even))
    odd = stacks(tmp_path, f"web-1;{USER} 1\nweb-2;{USER} 1000\n")
    assert any("counted 1 to 1000 times" in line for line in told(watch=odd))
