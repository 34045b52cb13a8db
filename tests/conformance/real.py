# SPDX-License-Identifier: MIT
"""The module gates and its patch in a guest, with an engine of its kernel."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from lppack.consistency import ModeName
from lppack.engines.protocol import Engine
from lppack.errors import HostError
from lppack.hosts.guest import GuestHost
from lppack.stages.apply import Control, undo
from lppack.stages.test import load_targets
from tests.conformance.draw import story
from tests.conformance.memory import InMemory
from tests.conformance.story import (
    MOVING,
    THREADS,
    Record,
    Standing,
    Step,
    Story,
    play,
    side_by_side,
)
from tests.loads.driver import Patch

#: Seconds for a standing to become what is expected; only a difference takes so long.
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One story, twice."""

    story: Story
    engine: str
    simulated: Record
    real: Record

    @property
    def difference(self) -> str:
        """Both logs side by side; empty if they are the same."""
        if self.simulated.lines == self.real.lines:
            return ""
        pair = ("simulated", self.simulated), (self.engine, self.real)
        return side_by_side(self.story.title, *pair)


@contextlib.contextmanager
def loaded(host: GuestHost, patch: Patch) -> Iterator[None]:
    """The module and its walkers in the guest."""
    load_targets(host, patch.bundle, patch.ko.parent)
    words = f"setsid /test/walkers {len(THREADS) - 1} > /dev/null 2>&1 < /dev/null & echo $!"
    group = host.run(["/bin/sh", "-c", words], limit=30.0).out.strip()
    yield
    host.run(["/bin/sh", "-c", f"kill -KILL -- -{group}"], limit=30.0)
    ran = host.run(["rmmod", "gates"], limit=60.0)
    assert ran.rc == 0, ran.err


class InGuest:
    """Implements World, for one story."""

    def __init__(self, host: GuestHost, engine: Engine, patch: Patch) -> None:
        self.host = host
        self.bundle, self.ko = patch.bundle, patch.ko
        self.control = Control(engine=engine, host=host, timeout=60.0)
        self._last: Standing | None = None
        self._rests = False
        self._seen = 0

    def lead(self, step: Step) -> str:
        number = step.who.removeprefix("T")
        # What threads do moves no patch that is not in transition.
        self._rests = self._last is not None and self._last.phase not in MOVING
        try:
            self.host.write("/proc/gates", f"{number} {step.verb} {step.what}")
        except HostError:
            return "cannot"
        notes = [line for line in self._lines() if not line.startswith("cell ")]
        fresh, self._seen = notes[self._seen :], len(notes)
        return ", ".join(line.removeprefix(f"{step.who} ") for line in fresh)

    def _lines(self) -> list[str]:
        return self.host.read("/proc/gates").splitlines()

    def standing(self, expected: Standing | None) -> Standing:
        if self._rests and self._last:
            self._rests = False
            return self._last
        end = time.monotonic() + _PATIENCE
        while (now := self._now()) != expected and time.monotonic() < end:
            time.sleep(0.1)
        self._last = now
        return now

    def _now(self) -> Standing:
        state = self.control.engine.state(self.bundle.module)
        late = (b.comm for b in state.blockers if b.comm.startswith("gate-"))
        # A transition may end between two reads.
        names = sorted(name.replace("gate-", "T") for name in late) if state.phase in MOVING else ()
        return Standing(state.phase, tuple(names))

    def cells(self) -> tuple[str, ...]:
        return tuple(line for line in self._lines() if line.startswith("cell "))

    def clean(self) -> None:
        """Everybody goes home, what is loaded is taken back."""
        for number in range(len(THREADS)):
            self.host.write("/proc/gates", f"{number} home")
        undo(self.control, self.bundle.module)
        self.host.write("/proc/gates", "clear")


def play_real(
    story: Story, host: GuestHost, engine: Engine, patch: Patch, expected: Record
) -> Record:
    """``expected`` only says what is waited for."""
    world = InGuest(host, engine, patch)
    try:
        return play(story, world, expected.standings)
    finally:
        world.clean()


def both(seed: int, mode: ModeName, host: GuestHost, engine: Engine, patch: Patch) -> Agreement:
    """The story of ``seed``, in memory and on ``engine``."""
    told = story(seed, mode)
    simulated = play(told, InMemory(mode))
    return Agreement(
        story=told,
        engine=engine.name,
        simulated=simulated,
        real=play_real(told, host, engine, patch, simulated),
    )
