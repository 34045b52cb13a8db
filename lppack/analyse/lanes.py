# SPDX-License-Identifier: MIT
"""A run as a drawing: time goes to the right, each thread has a lane, and its stack grows upwards.

Positions are in the pixels of an SVG image; the caller chooses colours by ``kind``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from lppack.checker.machine import NEW, OLD, Globals, Machine, Object, Phase, Place, Thread
from lppack.checker.runs import RunStep
from lppack.checker.scene import PHASES, UNIVERSES, Scene, object_words, switches
from lppack.consistency import Transform

_TOP = 30  # y of the first lane, below the numbers of the steps
_NAMES = 24  # maximum length of a lane's name; longer ones are cut
_WIDE, _NARROW, _ALL = 124.0, 40.0, 940.0  # width of one step: maximum, minimum; of all steps
_BASE, _FRAME, _STRIP, _GAP = 16, 20, 5, 14
_LETTER = 6.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    kind: str
    says: str
    label: str  # as much of ``says`` as fits on the bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    name: str
    top: float
    height: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point above the lane that takes a step."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    left: float
    width: float
    height: float
    step: float  # width of one step
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]


Told = tuple[str, str] | None  # (kind, text) at one step; None: nothing to draw
Rows = list[tuple[int, list[Told]]]  # top row first: (height, what to draw at each step)


def drawn(first: Scene, steps: Sequence[RunStep]) -> Drawing:
    """Return the drawing of a run; its first column is the moment before the first step."""
    scenes = [first, *(step.after for step in steps)]
    width = max(_NARROW, min(_WIDE, _ALL / len(scenes)))
    told_of = list(_lanes(first.machine, scenes))
    left = 8.0 * max(min(len(name), _NAMES) for name, _ in told_of) + 12
    lanes: list[Lane] = []
    y = float(_TOP)
    for name, rows in told_of:
        bars: list[Bar] = []
        top = y
        for height, told in rows:
            bars += _bars(told, left, y, height, width)
            y += height
        lanes.append(Lane(name=_cut(name, _NAMES), top=top, height=y - top, bars=tuple(bars)))
        y += _GAP
    named = {lane.name: lane for lane in lanes}
    return Drawing(
        left=left,
        width=left + width * len(scenes) + 2,
        height=y,
        step=width,
        lanes=tuple(lanes),
        marks=tuple(
            Mark(x=left + (number + 0.5) * width, y=named.get(step.who, lanes[0]).top)
            for number, step in enumerate(steps, start=1)
        ),
    )


def _lanes(m: Machine, scenes: Sequence[Scene]) -> Iterator[tuple[str, Rows]]:
    kernels = [scene.state[0] for scene in scenes]
    yield "transition", [(_FRAME, [_phase(k) for k in kernels])]
    for number, (name, _) in enumerate(switches(m, kernels[0])):
        words = [switches(m, k)[number][1] for k in kernels]
        yield f"{name}()" if name else "every call is", [(_BASE, [_universe(w) for w in words])]
    for number in range(len(scenes[0].state[1])):
        threads = [scene.state[1][number] for scene in scenes]
        deepest = max(len(t.stack) for t in threads)
        rows = [(_FRAME, [_frame(m, t, level) for t in threads]) for level in range(deepest)[::-1]]
        rows.append((_BASE, [_place(t) for t in threads]))
        if threads[0].u:
            rows.append((_STRIP, [_universe(t.u[0]) for t in threads]))
        yield f"T{number + 1}", rows
    if m.transform is Transform.TRANSFORM_ON_ACCESS:
        told: list[Told] = [("conv", "on") if k.conv else ("off", "off") for k in kernels]
        yield "conversion", [(_BASE, told)]
    for number in range(m.objects):
        yield "object", [(_BASE, [_object(k.data[number]) for k in kernels])]


def _phase(k: Globals) -> Told:
    words = PHASES[Phase(k.phase)]
    if k.stopped or k.spin:
        return "stopped", "stopped"
    if k.phase == Phase.TRANSITION:
        return "moving", words if k.target != OLD else "in transition, back"
    if k.phase == Phase.COMPLETE:
        return _UNIVERSE_KINDS[k.target], words if k.target != OLD else "reverted"
    return "moving" if k.phase == Phase.UNDOING else "idle", words


_UNIVERSE_KINDS = ("old", "new", "newest")


def _universe(univ: int) -> Told:
    return _UNIVERSE_KINDS[univ], UNIVERSES[univ]


def _frame(m: Machine, t: Thread, level: int) -> Told:
    if level >= len(t.stack):
        return None
    frame = t.stack[level]
    name = (*m.functions, *m.outside)[frame.fn]
    if frame.univ < 0:
        return "outside", f"{name}()"
    return _UNIVERSE_KINDS[frame.univ], f"{UNIVERSES[frame.univ]} {name}()"


def _place(t: Thread) -> Told:
    if t.place == Place.USER:
        return "user", "user space"
    return ("asleep", "asleep") if t.place == Place.BLOCKED else ("kernel", "kernel")


def _object(o: Object) -> Told:
    if not o.live:
        return "off", "freed"
    return "new" if o.form == NEW else "old", f"{object_words(o)} form".replace(
        ", tracked form", " form, tracked"
    )


def _bars(
    told: Sequence[Told], left: float, y: float, height: float, width: float
) -> Iterator[Bar]:
    at = 0
    for what, group in groupby(told):
        long = len(list(group))
        if what is not None:
            kind, says = what
            yield Bar(
                x=left + at * width,
                y=y,
                width=long * width,
                height=height,
                kind=kind,
                says=says,
                label=_label(says, long * width) if height > _STRIP else "",
            )
        at += long


def _label(says: str, width: float) -> str:
    """Return ``says`` if it fits, else the function alone (colours show universes), or cut."""
    letters = int((width - 8) / _LETTER)
    function = says.partition(" ")[2] if says.endswith("()") else says
    return says if len(says) <= letters else _cut(function, letters)


def _cut(words: str, letters: int) -> str:
    if len(words) <= letters:
        return words
    return f"{words[: letters - 1]}…" if letters > 4 else ""
