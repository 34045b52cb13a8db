# SPDX-License-Identifier: MIT
"""Stories: threads are led from gate to gate while a patch comes and goes, and what came of each
step, in any world."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lppack.abi import PatchPhase
from lppack.consistency import ModeName
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck, HostError
from lppack.model import Bundle
from lppack.stages.apply import Control, apply, stop_conversion, unload
from lppack.stages.revert import revert

#: The last thread is one of the kernel. As in tests/loads/gates/target/gates.c.
THREADS = ("T0", "T1", "T2", "T3")
CELLS = 3
FUNCTIONS = ("f", "g")
MOVING = (PatchPhase.PATCHING, PatchPhase.UNPATCHING)
ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Step:
    """``who`` is told ``verb``: a thread one of gates.c, the engine one of ``_asked``."""

    who: str
    verb: str
    what: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.who, self.verb, self.what)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    seed: int
    mode: ModeName
    steps: tuple[Step, ...]

    @property
    def title(self) -> str:
        return f"seed {self.seed}, {self.mode}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a transition stands, once the engine has done all that it can."""

    phase: PatchPhase
    late: tuple[str, ...]  # threads that keep it open

    def __str__(self) -> str:
        return f"{self.phase}{', waits for ' if self.late else ''}{' '.join(self.late)}"


class World(Protocol):
    """A kernel with the module gates, and a patch of it."""

    control: Control
    bundle: Bundle
    ko: Path

    def lead(self, step: Step) -> str:
        """What the thread did until it was at its next gate."""

    def standing(self, expected: Standing | None) -> Standing:
        """Waits, at most some time, until it is what was ``expected`` (None: until it rests)."""

    def cells(self) -> tuple[str, ...]:
        """The form of each, and how often it was used."""


def play(story: Story, world: World, expected: Sequence[Standing] = ()) -> "Record":
    """All that comes of ``story``. Where a standing is not what was expected it goes on."""
    record = Record()
    for number, step in enumerate(story.steps):
        act(step, world, record, expected[number] if expected else None)
    return finish(world, record)


class Record:
    """What came of a story, step by step, and how all stands at its end."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.standings: list[Standing] = []

    @property
    def verdicts(self) -> list[str]:
        """What the engine answered."""
        return [line for line in self.lines if line.startswith(ENGINE)]


def act(step: Step, world: World, record: Record, expected: Standing | None = None) -> None:
    did = _asked(step.verb, world) if step.who == ENGINE else world.lead(step)
    standing = world.standing(expected)
    record.lines.append(f"{step}: {did} [{standing}]")
    record.standings.append(standing)


def finish(world: World, record: Record) -> Record:
    state = world.control.engine.state(world.bundle.module)
    record.lines += [f"{state.phase}, {state.converted} converted", *world.cells()]
    return record


def _asked(verb: str, world: World) -> str:
    c, module = world.control, world.bundle.module
    hasty = Control(engine=c.engine, host=c.host, clock=c.clock, timeout=3.0)
    try:
        match verb:
            case "load":
                c.engine.load(module, world.ko)
            case "apply":
                apply(hasty, world.bundle, world.ko, convert=False)
            case "convert":
                c.engine.convert(module, on=True)
            case "stop":
                return "done" if stop_conversion(c, module, 30.0) else "not done"
            case "reverse":
                c.engine.reverse(module)
            case "revert":
                revert(hasty, world.bundle.series)
            case "rmmod":
                c.engine.unload(module)
            case "unload":
                return "done" if unload(c, module) else "not done"
            case _:
                raise AssertionError(verb)
    except HostError as error:
        return f"refused: {errno.errorcode[error.errno]}"
    except ApplyRefused:
        return "refused"
    except ApplyReversed:
        return "timed out, and put back"
    except ApplyStuck:
        return "stuck"
    return "done"


def side_by_side(title: str, left: tuple[str, Record], right: tuple[str, Record]) -> str:
    """Both logs; an arrow stands before what differs."""
    (name, one), (other_name, other) = left, right
    height = max(len(one.lines), len(other.lines))
    pairs = [(record.lines + [""] * height)[:height] for record in (one, other)]
    width = max(map(len, (name, *one.lines)))
    rows = [f"{title}", f"   {name:{width}} | {other_name}"]
    rows += [f"{'  ' if a == b else '->'} {a:{width}} | {b}" for a, b in zip(*pairs, strict=True)]
    return "\n".join(rows)
