# SPDX-License-Identifier: MIT
"""Runs as drawings, and the run that shows how a transition goes."""

from lppack import consistency
from lppack.analyse.lanes import Drawing, Lane, drawn
from lppack.checker import scenario
from lppack.checker.observe import Seen
from lppack.checker.runs import shortest
from lppack.checker.scenario import Patch
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Needs, Switch, Transform

_NEEDS = Needs(
    leave=Leave.LEAVE_PATCHED_SET,
    switch=Switch.SWITCH_THREAD,
    transform=Transform.TRANSFORM_ON_ACCESS,
)
PATCH = Patch(functions=("f", "g"), needs=_NEEDS)


def lane(drawing: Drawing, name: str) -> Lane:
    return next(lane for lane in drawing.lanes if lane.name == name)


def spans(drawing: Drawing, name: str) -> list[tuple[str, int, int]]:
    """(what it says, first step, the step after the last) of the bars of a lane."""

    def step(x: float) -> int:
        return round((x - drawing.left) / drawing.step)

    return [(b.says, step(b.x), step(b.x + b.width)) for b in lane(drawing, name).bars]


def null_mix() -> Drawing:
    null = consistency.MODES[0]
    run = shortest(scenario.switching(PATCH, null, Rules()), Seen.MIX_IN_P)
    assert run is not None
    return drawn(run.first, run.steps)


def test_a_stack_grows_upwards_and_each_universe_has_its_colour() -> None:
    drawing = null_mix()
    assert spans(drawing, "T1") == [
        ("new g()", 5, 6),
        ("old f()", 2, 6),
        ("user space", 0, 1),
        ("kernel", 1, 6),
    ]
    bars = lane(drawing, "T1").bars
    assert [bar.kind for bar in bars] == ["new", "old", "user", "kernel"]
    assert bars[0].y < bars[1].y < bars[2].y == bars[3].y
    assert spans(drawing, "g()") == [("old", 0, 4), ("new", 4, 6)]


def test_lanes_do_not_overlap_and_fill_the_picture() -> None:
    drawing = null_mix()
    ends = [lane.top + lane.height for lane in drawing.lanes]
    assert all(end < lane.top for end, lane in zip(ends, drawing.lanes[1:], strict=False))
    assert ends[-1] < drawing.height
    assert max(b.x + b.width for lane in drawing.lanes for b in lane.bars) <= drawing.width


def test_what_does_not_fit_is_cut_and_never_written_beside() -> None:
    run = shortest(
        scenario.switching(
            Patch(functions=("a_function_with_a_very_long_name_indeed",), needs=_NEEDS),
            consistency.MODES[0],
            Rules(),
        ),
        Seen.MIX_IN_P,
    )
    assert run is not None
    labels = [b for lane in drawn(run.first, run.steps).lanes for b in lane.bars if b.label]
    assert any(bar.label.endswith("…") for bar in labels)
    assert all(len(bar.label) * 6.6 <= bar.width for bar in labels)
